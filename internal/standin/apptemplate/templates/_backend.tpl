{{- /* at.backend: the Service and port that a route leads to, as JSON. in: root, ref (name or identifier, port) */ -}}
{{- define "at.backend" -}}
{{- $root := .root -}}
{{- $services := include "at.enabled" .root.Values.service | fromYaml -}}
{{- $name := tpl (.ref.name | default "") .root -}}
{{- $service := dict -}}
{{- $id := .ref.identifier -}}
{{- if and (not $name) (not $id) (eq (len $services) 1) }}{{ range $only, $_ := $services }}{{ $id = $only }}{{ end }}{{ end -}}
{{- if and (not $name) $id -}}
  {{- $name = include "at.named" (dict "root" .root "kind" "service" "id" $id) -}}
  {{- $service = get $services $id -}}
{{- end -}}
{{- if not $service -}}
  {{- range $other, $s := $services }}{{ if eq $name (include "at.named" (dict "root" $root "kind" "service" "id" $other)) }}{{ $service = $s }}{{ end }}{{ end -}}
{{- end -}}
{{- $port := .ref.port -}}
{{- if kindIs "string" $port }}{{ $port = tpl $port .root }}{{ end -}}
{{- toJson (dict "name" $name "port" (include "at.port" (dict "service" $service "port" $port) | int)) -}}
{{- end -}}
