{{- /* stand-in.out: objects as they come out: with what expected.yaml says that the release's own patches find in them
(patched), and others that the repo names (objects), if they are not among them and the API has their kind.
in: root, text (YAML) */ -}}
{{- define "stand-in.out" -}}
{{- $root := .root -}}
{{- $expected := get (.root.Files.Get "expected.yaml" | fromYaml) (printf "%s/%s" .root.Release.Namespace .root.Release.Name) | default dict -}}
{{- $objects := list }}{{ $there := dict -}}
{{- range splitList "\n---\n" (printf "\n%s\n" .text) -}}
  {{- $o := fromYaml . -}}
  {{- if and $o.Error (not $o.kind) }}{{ fail $o.Error }}{{ end -}}
  {{- if $o.kind }}{{ $objects = append $objects $o }}{{ $_ := set $there (printf "%s/%s" $o.kind $o.metadata.name) true }}{{ end -}}
{{- end -}}
{{- range $expected.objects -}}
  {{- $version := include "stand-in.version" (dict "root" $root "object" .) -}}
  {{- if and $version (not (hasKey $there (printf "%s/%s" .kind .metadata.name))) -}}
    {{- $objects = append $objects (merge (dict "apiVersion" $version) .) -}}
  {{- end -}}
{{- end -}}
{{- range $o := $objects -}}
  {{- range $expected.patched -}}
    {{- if and (regexMatch (printf "^(%s)$" .kind) $o.kind) (regexMatch (printf "^(%s)$" .name) $o.metadata.name) -}}
      {{- include "stand-in.into" (dict "map" $o "has" .has) -}}
    {{- end -}}
  {{- end }}
---
{{ toYaml $o }}
{{- end }}
{{ end -}}

{{- /* stand-in.version: the apiVersion in which the API has an object's kind, of any group if it has no apiVersion; "" if it has not.
in: root, object */ -}}
{{- define "stand-in.version" -}}
{{- $found := "" }}{{ $object := .object -}}
{{- if $object.apiVersion -}}
  {{- if .root.Capabilities.APIVersions.Has (printf "%s/%s" $object.apiVersion $object.kind) }}{{ $found = $object.apiVersion }}{{ end -}}
{{- else -}}
  {{- range .root.Capabilities.APIVersions -}}
    {{- if and (not $found) (hasSuffix (printf "/%s" $object.kind) .) }}{{ $found = trimSuffix (printf "/%s" $object.kind) . }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{- /* stand-in.into: puts into a map what it has to have and lacks. What it has stays, but for allowPrivilegeEscalation.
in: map, has */ -}}
{{- define "stand-in.into" -}}
{{- $map := .map -}}
{{- range $key, $has := .has -}}
  {{- $have := index $map $key -}}
  {{- if kindIs "map" $has -}}
    {{- if not (kindIs "map" $have) }}{{ $have = dict }}{{ $_ := set $map $key $have }}{{ end -}}
    {{- include "stand-in.into" (dict "map" $have "has" $has) -}}
  {{- else if kindIs "slice" $has -}}
    {{- if not (kindIs "slice" $have) }}{{ $have = list }}{{ end -}}
    {{- range $i, $element := $has -}}
      {{- $at := include "stand-in.at" (dict "key" $key "list" $have "index" $i "element" $element) | int -}}
      {{- if ge $at (len $have) -}}
        {{- $at = len $have }}{{ $have = append $have (include "stand-in.element" (dict "key" $key "map" $map "index" $at "element" $element) | fromJson).v -}}
      {{- end -}}
      {{- if kindIs "map" $element -}}
        {{- with index $element "$name" }}{{ $_ := set (index $have $at) "name" . }}{{ end -}}
        {{- include "stand-in.into" (dict "map" (index $have $at) "has" (omit $element "$name")) -}}
      {{- end -}}
    {{- end -}}
    {{- $_ := set $map $key $have -}}
  {{- else if or (not (hasKey $map $key)) (eq $key "allowPrivilegeEscalation") -}}
    {{- $_ := set $map $key $has -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- /* stand-in.at: where in a list an element is: the one of its $name, or else at its index. A container's name that is only the
stand-in's own gives way to one that a patch knows. The list's length, or more, if it is nowhere. in: key, list, index, element */ -}}
{{- define "stand-in.at" -}}
{{- $at := .index -}}
{{- if kindIs "map" .element -}}
  {{- $name := index .element "$name" -}}
  {{- if $name -}}
    {{- $own := len .list }}{{ $same := -1 -}}
    {{- range $i, $e := .list -}}
      {{- if eq (toString $e.name) $name }}{{ $same = $i -}}
      {{- else if and (eq $own (len $.list)) (has $.key (list "containers" "initContainers")) (regexMatch `^(main|sidecar-\d+|init-\d+|stand-in-\d+)$` (toString $e.name)) }}{{ $own = $i }}{{ end -}}
    {{- end -}}
    {{- $at = ternary $same $own (ge $same 0) -}}
  {{- end -}}
{{- end -}}
{{- $at -}}
{{- end -}}

{{- /* stand-in.element: a valid new element of a list, as JSON in v. in: key (the list's), map (that the list is in), index, element */ -}}
{{- define "stand-in.element" -}}
{{- $name := printf "stand-in-%d" .index -}}
{{- $v := dict -}}
{{- if not (kindIs "map" .element) }}{{ $v = .element -}}
{{- else if has .key (list "containers" "initContainers") -}}
  {{- $like := first (.map.containers | default (list dict)) -}}
  {{- $v = dict "name" $name "image" ($like.image | default "registry.k8s.io/pause:3.10") -}}
  {{- with $like.securityContext }}{{ $v = set $v "securityContext" . }}{{ end -}}
{{- else if eq .key "volumes" }}{{ $v = dict "name" $name "emptyDir" dict -}}
{{- else if eq .key "env" }}{{ $v = dict "name" (printf "STAND_IN_%d" .index) -}}
{{- else if eq .key "ports" }}{{ $v = ternary (dict "containerPort" (add1 .index)) (dict "name" $name "port" (add1 .index)) (hasKey .map "image") -}}
{{- else if eq .key "webhooks" -}}
  {{- /* Without rules it is never called. */ -}}
  {{- $v = dict "name" (printf "%s.seatrial.dev" $name) "admissionReviewVersions" (list "v1") "sideEffects" "None" "failurePolicy" "Ignore" "clientConfig" (dict "url" "https://stand-in.invalid") -}}
{{- else if eq .key "paths" -}}
  {{- $v = dict "path" (printf "/%s" $name) "pathType" "Prefix" "backend" (dict "service" (dict "name" $name "port" (dict "number" 80))) -}}
{{- end -}}
{{- toJson (dict "v" $v) -}}
{{- end -}}
