{{- /* walk: what values say that a chart's pods read. Only what a value's own name makes plain is believed:
existingSecret and the like, and what Kubernetes itself names so (secretKeyRef, envFrom, ...). What is
switched off counts for nothing, nor what is an object of its own.
in: value, key (its name), root, out: lists of secrets (name/key or name/), configMaps, claims and pull secrets */ -}}
{{- define "walk" -}}
{{- $out := .out }}{{ $root := .root }}{{ $value := .value -}}
{{- if kindIs "slice" $value -}}
  {{- range $value }}{{ include "walk" (dict "value" . "key" $.key "root" $root "out" $out) }}{{ end -}}
{{- else if kindIs "map" $value -}}
  {{- $off := and (hasKey $value "enabled") (not $value.enabled) -}}
  {{- $object := and (hasKey $value "apiVersion") (hasKey $value "kind") -}}
  {{- if not (or $off $object (eq (toString $value.optional) "true")) -}}
    {{- range $key, $inner := $value -}}
      {{- $found := dict "root" $root "out" $out -}}
      {{- if kindIs "string" $inner -}}
        {{- if regexMatch `(?i)^(\w*existing\w*secret(name|ref)?|envFromSecrets?)$` $key -}}
          {{- $keys := list -}}
          {{- range $k, $v := $value }}{{ if and (kindIs "string" $v) (regexMatch (printf `(?i)^%s\w*key$` (regexReplaceAll `(?i)(name|ref)$` $key "")) $k) }}{{ $keys = append $keys $v }}{{ end }}{{ end -}}
          {{- range $keys | default (list "") }}{{ include "found" (merge (dict "in" "secrets" "name" $inner "key" .) $found) }}{{ end -}}
        {{- else if regexMatch `(?i)^(\w*existing\w*configMap(name|ref)?|envFromConfigMaps?)$` $key -}}
          {{- include "found" (merge (dict "in" "configMaps" "name" $inner) $found) -}}
        {{- else if or (regexMatch `(?i)^\w*existing\w*claim(name)?$` $key) (eq $key "claimName") -}}
          {{- include "found" (merge (dict "in" "claims" "name" $inner) $found) -}}
        {{- else if and (eq $key "secretName") (not (regexMatch `(?i)tls|ingress|cert|webhook|gateway|listener` $.key)) (not $value.create) -}}
          {{- include "found" (merge (dict "in" "secrets" "name" $inner "key" "") $found) -}}
        {{- end -}}
      {{- else if kindIs "map" $inner -}}
        {{- $optional := eq (toString $inner.optional) "true" -}}
        {{- if and (not $optional) (kindIs "string" $inner.name) -}}
          {{- if or (eq $key "secretKeyRef") (regexMatch `(?i)^\w*existing\w*secret$` $key) -}}
            {{- include "found" (merge (dict "in" "secrets" "name" $inner.name "key" ($inner.key | default "")) $found) -}}
          {{- else if eq $key "configMapKeyRef" -}}
            {{- include "found" (merge (dict "in" "configMaps" "name" $inner.name) $found) -}}
          {{- else if and (eq $key "secretRef") (regexMatch `(?i)^(\w*envFrom)$` $.key) -}}
            {{- include "found" (merge (dict "in" "secrets" "name" $inner.name "key" "") $found) -}}
          {{- else if or (and (eq $key "configMapRef") (regexMatch `(?i)^(\w*envFrom)$` $.key)) (and (eq $key "configMap") (regexMatch `(?i)volumes$` $.key)) -}}
            {{- include "found" (merge (dict "in" "configMaps" "name" $inner.name) $found) -}}
          {{- end -}}
        {{- end -}}
      {{- end -}}
      {{- if regexMatch `(?i)^(image)?pullSecrets?$` $key -}}
        {{- range kindIs "slice" $inner | ternary $inner (list $inner) -}}
          {{- $name := . }}{{ if kindIs "map" . }}{{ $name = .name }}{{ end -}}
          {{- if kindIs "string" $name }}{{ include "found" (merge (dict "in" "pull" "name" $name) $found) }}{{ end -}}
        {{- end -}}
      {{- else if or (kindIs "map" $inner) (kindIs "slice" $inner) -}}
        {{- $under := $key }}{{ if regexMatch `(?i)tls|ingress|cert|webhook|gateway|listener` $.key }}{{ $under = printf "%s.%s" $.key $key }}{{ end -}}
        {{- include "walk" (dict "value" $inner "key" $under "root" $root "out" $out) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- /* found: one name more. A name that only a template of the chart's could complete is left out.
in: in (which list), name, key (of a Secret), root, out */ -}}
{{- define "found" -}}
{{- $name := regexReplaceAll `\{\{-?\s*\$?\.Release\.Name\s*-?\}\}` .name .root.Release.Name -}}
{{- $name = regexReplaceAll `\{\{-?\s*\$?\.Release\.Namespace\s*-?\}\}` $name .root.Release.Namespace -}}
{{- if regexMatch `^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$` $name -}}
  {{- if and (eq .in "secrets") }}{{ $name = printf "%s/%s" $name (regexMatch `^[A-Za-z0-9._-]+$` .key | ternary .key "") }}{{ end -}}
  {{- $_ := set .out .in (append (get .out .in) $name | uniq) -}}
{{- end -}}
{{- end -}}
