{{- /* How bjw-s' app-template names what it makes. All of it is written anew. */ -}}

{{- /* at.full: the name that all others begin with: the release's, unless it is overridden. */ -}}
{{- define "at.full" -}}
{{- $global := .Values.global | default dict -}}
{{- $name := $global.nameOverride | default .Release.Name -}}
{{- $full := $name -}}
{{- if not (contains $name .Release.Name) }}{{ $full = printf "%s-%s" .Release.Name $name }}{{ end -}}
{{- tpl ($global.fullnameOverride | default .Values.fullnameOverride | default $full) . | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- /* at.name: the name of one item of a map. in: root, id, item, count (of enabled items), always (up to
version 3 its id is appended even if it is the only one). */ -}}
{{- define "at.name" -}}
{{- $full := include "at.full" .root -}}
{{- $global := .root.Values.global | default dict -}}
{{- $item := .item -}}
{{- if $item.forceRename -}}
{{- tpl $item.forceRename .root | lower -}}
{{- else if lt (include "at.major" .root | int) 4 -}}
  {{- /* Up to version 2 "main" has no suffix and all others have one; in version 3 one alone has none. */ -}}
  {{- $bare := or (eq .id $full) $item.primary (not (or .always (gt (int .count) 1))) -}}
  {{- if lt (include "at.major" .root | int) 3 }}{{ $bare = or (eq .id "main") $item.primary }}{{ end -}}
  {{- if $item.nameOverride -}}
    {{- $own := tpl $item.nameOverride .root -}}
    {{- if or (eq $own "-") (eq $own $full) }}{{ $full }}{{ else }}{{ printf "%s-%s" $full $own }}{{ end -}}
  {{- else if $bare }}{{ $full }}{{ else }}{{ printf "%s-%s" $full .id }}{{ end -}}
{{- else -}}
  {{- with $item.prefix }}{{ $prefix := tpl . $.root }}{{ if ne $prefix $full }}{{ $full = printf "%s-%s" $prefix $full }}{{ end }}{{ end -}}
  {{- if or (gt (int .count) 1) $global.alwaysAppendIdentifierToResourceName -}}
    {{- if not (or (eq .id $full) (hasSuffix (printf "-%s" .id) $full)) }}{{ $full = printf "%s-%s" $full .id }}{{ end -}}
  {{- end -}}
  {{- with $item.suffix }}{{ $suffix := tpl . $.root }}{{ if not (hasSuffix (printf "-%s" $suffix) $full) }}{{ $full = printf "%s-%s" $full $suffix }}{{ end }}{{ end -}}
  {{- lower $full -}}
{{- end -}}
{{- end -}}

{{- /* at.major: the chart's major version. */ -}}
{{- define "at.major" -}}
{{- .Chart.Version | trimPrefix "v" | splitList "." | first -}}
{{- end -}}

{{- /* at.accounts: the enabled ServiceAccounts, as YAML. From version 5 on there is one, named like all, where none is configured. in: root */ -}}
{{- define "at.accounts" -}}
{{- $global := .Values.global | default dict -}}
{{- if or .Values.serviceAccount (lt (include "at.major" . | int) 5) (eq (toString $global.createDefaultServiceAccount) "false") -}}
  {{- include "at.enabled" .Values.serviceAccount -}}
{{- else -}}
  {{- toYaml (dict (include "at.full" .) (dict)) -}}
{{- end -}}
{{- end -}}

{{- /* at.enabled: the items of a map that are not switched off, as YAML. */ -}}
{{- define "at.enabled" -}}
{{- $out := dict -}}
{{- range $id, $item := kindIs "map" . | ternary . dict -}}
  {{- if kindIs "map" $item -}}
    {{- if not (and (hasKey $item "enabled") (not $item.enabled)) }}{{ $_ := set $out $id $item }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- toYaml $out -}}
{{- end -}}

{{- /* at.claims: the enabled persistence that a PersistentVolumeClaim is made for. in: root */ -}}
{{- define "at.claims" -}}
{{- $out := dict -}}
{{- range $id, $item := include "at.enabled" .Values.persistence | fromYaml -}}
  {{- if and (has (default "persistentVolumeClaim" $item.type) (list "persistentVolumeClaim" "pvc")) (not $item.existingClaim) -}}
    {{- $_ := set $out $id $item -}}
  {{- end -}}
{{- end -}}
{{- toYaml $out -}}
{{- end -}}

{{- /* at.named: the name of the enabled item with an id. in: root, kind (the map's key), id, always; fails if there is none. */ -}}
{{- define "at.named" -}}
{{- $items := include "at.enabled" (get .root.Values .kind) | fromYaml -}}
{{- $id := tpl (toString .id) .root -}}
{{- if not (hasKey $items $id) }}{{ fail (printf "no enabled item of %s has the identifier %s" .kind $id) }}{{ end -}}
{{- include "at.name" (dict "root" .root "id" $id "item" (get $items $id) "count" (len $items) "always" .always) -}}
{{- end -}}

{{- /* at.labels: those that a selector has. in: root, controller */ -}}
{{- define "at.labels" -}}
{{- $global := .root.Values.global | default dict -}}
app.kubernetes.io/name: {{ $global.nameOverride | default .root.Release.Name | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- with .controller }}
app.kubernetes.io/controller: {{ . }}
{{- end }}
{{- end -}}

{{- /* at.meta: the rest of an object's metadata. in: root, item, labels */ -}}
{{- define "at.meta" -}}
namespace: {{ .root.Release.Namespace }}
labels: {{ include "at.tpl" (dict "root" .root "value" (merge (dict) (.labels | default dict) (.item.labels | default dict) (include "at.labels" (dict "root" .root) | fromYaml))) }}
{{- with .item.annotations }}
annotations: {{ include "at.tpl" (dict "root" $.root "value" .) }}
{{- end }}
{{- end -}}

{{- /* at.port: the port of a Service that is asked for: a number, a name, or none for the first. in: service, port */ -}}
{{- define "at.port" -}}
{{- $ports := include "at.enabled" .service.ports | fromYaml -}}
{{- if kindIs "string" .port -}}
  {{- if hasKey $ports .port }}{{ (get $ports .port).port | int }}{{ else }}{{ .port | int }}{{ end -}}
{{- else if .port -}}
  {{- .port | int -}}
{{- else -}}
  {{- $first := dict -}}
  {{- range $id, $p := $ports }}{{ if or (not $first) $p.primary }}{{ $first = $p }}{{ end }}{{ end -}}
  {{- $first.port | int -}}
{{- end -}}
{{- end -}}

{{- /* at.tpl: a value with what is written in it as a template executed, as JSON. in: root, value */ -}}
{{- define "at.tpl" -}}
{{- toJson (tpl (toYaml (dict "v" .value)) .root | fromYaml).v -}}
{{- end -}}
