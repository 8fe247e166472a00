{{- /* at.options: the options of a controller's pods: its own, or the default ones, as YAML. in: root, controller */ -}}
{{- define "at.options" -}}
{{- $default := .root.Values.defaultPodOptions | default dict -}}
{{- $own := .controller.pod | default dict -}}
{{- $merges := eq (toString .root.Values.defaultPodOptionsStrategy) "merge" -}}
{{- $out := dict -}}
{{- range $option := list "affinity" "automountServiceAccountToken" "dnsConfig" "dnsPolicy" "enableServiceLinks" "hostAliases" "hostIPC" "hostNetwork" "hostPID" "hostUsers" "hostname" "imagePullSecrets" "nodeSelector" "priorityClassName" "resourceClaims" "resources" "restartPolicy" "runtimeClassName" "schedulerName" "securityContext" "shareProcessNamespace" "terminationGracePeriodSeconds" "tolerations" "topologySpreadConstraints" -}}
  {{- $value := get $default $option -}}
  {{- if hasKey $own $option -}}
    {{- if and $merges (kindIs "map" $value) (kindIs "map" (get $own $option)) }}{{ $value = merge (dict) (get $own $option) $value -}}
    {{- else if or (kindIs "bool" (get $own $option)) (get $own $option) }}{{ $value = get $own $option }}{{ end -}}
  {{- end -}}
  {{- if or (kindIs "bool" $value) (not (empty $value)) }}{{ $_ := set $out $option $value }}{{ end -}}
{{- end -}}
{{- tpl (toYaml $out) .root -}}
{{- end -}}

{{- /* at.env: a container's env, as a list. in: root, env (a map or a list) */ -}}
{{- define "at.env" -}}
{{- $root := .root -}}
{{- $out := list -}}
{{- $entries := list -}}
{{- if kindIs "slice" .env -}}
  {{- $entries = .env -}}
{{- else -}}
  {{- range $name, $v := .env -}}
    {{- if kindIs "map" $v }}{{ $entries = append $entries (merge (dict "name" $name) (omit $v "dependsOn")) }}{{ else }}{{ $entries = append $entries (dict "name" $name "value" $v) }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- range $entries -}}
  {{- if hasKey . "value" -}}
    {{- $text := "" -}}
    {{- if kindIs "string" .value }}{{ $text = tpl .value $root }}{{ else if not (kindIs "invalid" .value) }}{{ $text = toString .value }}{{ end -}}
    {{- if kindIs "float64" .value }}{{ if eq (floor .value) .value }}{{ $text = printf "%.0f" .value }}{{ end }}{{ end -}}
    {{- $out = append $out (dict "name" .name "value" $text) -}}
  {{- else -}}
    {{- $from := .valueFrom | default (omit . "name") -}}
    {{- if $from }}{{ $out = append $out (dict "name" .name "valueFrom" (tpl (toYaml $from) $root | fromYaml)) }}{{ else }}{{ $out = append $out (dict "name" .name "value" "") }}{{ end -}}
  {{- end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- /* at.envFrom: what a container takes all variables from. in: root, envFrom */ -}}
{{- define "at.envFrom" -}}
{{- $root := .root -}}
{{- $out := list -}}
{{- range .envFrom -}}
  {{- $entry := dict -}}
  {{- $kinds := list (list "configMap" "configMapRef" "configMaps") (list "secret" "secretRef" "secrets") -}}
  {{- $source := . -}}
  {{- range $k := $kinds -}}
    {{- $short := index $k 0 }}{{ $long := index $k 1 }}{{ $map := index $k 2 -}}
    {{- $name := "" -}}
    {{- with get $source $short -}}
      {{- $items := include "at.enabled" (get $root.Values $map) | fromYaml -}}
      {{- if hasKey $items . }}{{ $name = include "at.named" (dict "root" $root "kind" $map "id" . "always" true) }}{{ else }}{{ $name = tpl . $root }}{{ end -}}
    {{- end -}}
    {{- with get $source $long -}}
      {{- if .identifier }}{{ $name = include "at.named" (dict "root" $root "kind" $map "id" .identifier "always" true) }}{{ else }}{{ $name = tpl .name $root }}{{ end -}}
      {{- if .optional }}{{ $_ := set $entry $long (dict "optional" true) }}{{ end -}}
    {{- end -}}
    {{- if $name }}{{ $_ := set $entry $long (merge (dict "name" $name) (get $entry $long | default dict)) }}{{ end -}}
  {{- end -}}
  {{- with $source.prefix }}{{ $_ := set $entry "prefix" . }}{{ end -}}
  {{- if $entry }}{{ $out = append $out $entry }}{{ end -}}
{{- end -}}
{{- toJson $out -}}
{{- end -}}

{{- /* at.volume: a pod's volume for an entry of persistence. in: root, id, item */ -}}
{{- define "at.volume" -}}
{{- $type := .item.type | default "persistentVolumeClaim" -}}
{{- $volume := dict -}}
{{- if has $type (list "persistentVolumeClaim" "pvc") -}}
  {{- $claim := "" -}}
  {{- if .item.existingClaim }}{{ $claim = tpl .item.existingClaim .root -}}
  {{- else -}}
    {{- $claims := include "at.claims" .root | fromYaml -}}
    {{- $claim = include "at.name" (dict "root" .root "id" .id "item" .item "count" (len $claims) "always" true) -}}
  {{- end -}}
  {{- $_ := set $volume "persistentVolumeClaim" (dict "claimName" $claim) -}}
{{- else if has $type (list "configMap" "secret") -}}
  {{- $name := tpl (.item.name | default "") .root -}}
  {{- if and (not $name) .item.identifier }}{{ $name = include "at.named" (dict "root" .root "kind" (printf "%ss" $type) "id" .item.identifier "always" true) }}{{ end -}}
  {{- $_ := set $volume $type (merge (dict (ternary "secretName" "name" (eq $type "secret")) $name) (pick .item "items" "defaultMode" "optional")) -}}
{{- else if eq $type "emptyDir" -}}
  {{- $_ := set $volume "emptyDir" (pick .item "medium" "sizeLimit") -}}
{{- else if eq $type "hostPath" -}}
  {{- $path := dict "path" (required "hostPath not set" .item.hostPath) -}}
  {{- with .item.hostPathType }}{{ $_ := set $path "type" . }}{{ end -}}
  {{- $_ := set $volume "hostPath" $path -}}
{{- else if eq $type "nfs" -}}
  {{- $_ := set $volume "nfs" (dict "server" (tpl (required "server not set" .item.server) .root) "path" (tpl (required "path not set" .item.path) .root)) -}}
{{- else if eq $type "image" -}}
  {{- $image := .item.image | default "" -}}
  {{- if kindIs "map" $image }}{{ $image = printf "%v:%v" $image.repository $image.tag }}{{ end -}}
  {{- $_ := set $volume "image" (dict "reference" $image) -}}
{{- else if eq $type "custom" -}}
  {{- $volume = tpl (toYaml .item.volumeSpec) .root | fromYaml -}}
{{- else -}}
  {{- fail (printf "not a valid type of persistence: %s (%s)" $type .id) -}}
{{- end -}}
{{- toJson (set $volume "name" .id) -}}
{{- end -}}

{{- /* at.container: one container. in: root, controller (its id), spec (the controller), id, item */ -}}
{{- define "at.container" -}}
{{- $root := .root }}{{ $item := .item }}{{ $id := .id }}{{ $controller := .controller }}{{ $spec := .spec -}}
{{- if eq (toString .spec.defaultContainerOptionsStrategy) "merge" -}}
  {{- $item = merge (deepCopy $item) (.spec.defaultContainerOptions | default dict) -}}
{{- else -}}
  {{- range $k, $v := .spec.defaultContainerOptions }}{{ if not (hasKey $item $k) }}{{ $item = merge (dict $k $v) $item }}{{ end }}{{ end -}}
{{- end -}}
{{- $image := $item.image -}}
{{- if kindIs "map" $image -}}
  {{- $image = tpl (printf "%v" (required "image.repository not set" $item.image.repository)) $root -}}
  {{- with $item.image.tag }}{{ $image = printf "%s:%s" $image (tpl (toString .) $root) }}{{ end -}}
  {{- with $item.image.digest }}{{ $image = printf "%s@%s" $image (tpl . $root) }}{{ end -}}
{{- end -}}
{{- $out := dict "name" ($item.nameOverride | default $id) "image" $image -}}
{{- range $k := list "args" "command" -}}
  {{- with get $item $k }}{{ $_ := set $out $k (kindIs "slice" . | ternary . (list .)) }}{{ end -}}
{{- end -}}
{{- range $k := list "lifecycle" "ports" "resizePolicy" "resources" "restartPolicy" "securityContext" "stdin" "terminationMessagePath" "terminationMessagePolicy" "tty" "workingDir" -}}
  {{- with get $item $k }}{{ $_ := set $out $k . }}{{ end -}}
{{- end -}}
{{- with $item.env }}{{ $_ := set $out "env" (include "at.env" (dict "root" $root "env" .) | fromJsonArray) }}{{ end -}}
{{- with $item.envFrom }}{{ $_ := set $out "envFrom" (include "at.envFrom" (dict "root" $root "envFrom" .) | fromJsonArray) }}{{ end -}}
{{- range $kind, $probe := include "at.enabled" $item.probes | fromYaml -}}
  {{- if and $probe.custom $probe.spec }}{{ $_ := set $out (printf "%sProbe" $kind) (tpl (toYaml $probe.spec) $root | fromYaml) }}{{ end -}}
{{- end -}}
{{- $mounts := list -}}
{{- $all := include "at.enabled" $root.Values.persistence | fromYaml -}}
{{- range ($spec.statefulset | default dict).volumeClaimTemplates -}}
  {{- $advanced := dict }}{{ with .advancedMounts }}{{ $advanced = dict $controller . }}{{ end -}}
  {{- $_ := set $all .name (dict "globalMounts" .globalMounts "advancedMounts" $advanced) -}}
{{- end -}}
{{- range $volume, $p := $all -}}
  {{- $here := $p.globalMounts | default list -}}
  {{- $here = concat $here (dig "advancedMounts" $controller $id list $p) -}}
  {{- if not (or $p.globalMounts $p.advancedMounts) }}{{ $here = list (dict) }}{{ end -}}
  {{- range $here -}}
    {{- $path := .path | default (ternary $p.hostPath (printf "/%s" $volume) (eq (toString $p.type) "hostPath")) -}}
    {{- $mounts = append $mounts (merge (dict "name" $volume "mountPath" $path) (pick . "subPath" "subPathExpr" "readOnly" "mountPropagation")) -}}
  {{- end -}}
{{- end -}}
{{- if $mounts }}{{ $_ := set $out "volumeMounts" (tpl (toYaml (dict "m" $mounts)) $root | fromYaml).m }}{{ end -}}
{{- toJson $out -}}
{{- end -}}

{{- /* at.account: the ServiceAccount of a controller's pods. in: root, spec */ -}}
{{- define "at.account" -}}
{{- $root := .root -}}
{{- $own := .spec.serviceAccount | default dict -}}
{{- $accounts := include "at.accounts" .root | fromYaml -}}
{{- if lt (include "at.major" .root | int) 4 -}}
  {{- $account := .root.Values.serviceAccount | default dict -}}
  {{- if $own.name }}{{ $own.name }}{{ else if $account.name }}{{ $account.name }}{{ else if $account.create }}{{ include "at.full" .root }}{{ else }}default{{ end -}}
{{- else if $own.identifier -}}
  {{- include "at.named" (dict "root" .root "kind" "serviceAccount" "id" $own.identifier) -}}
{{- else if $own.name -}}
  {{- tpl $own.name .root -}}
{{- else if eq (len $accounts) 1 -}}
  {{- range $id, $account := $accounts }}{{ include "at.name" (dict "root" $root "id" $id "item" $account "count" 1) }}{{ end -}}
{{- else -}}
default
{{- end -}}
{{- end -}}

{{- /* at.pod: the pod template of a controller. in: root, id, spec */ -}}
{{- define "at.pod" -}}
{{- $root := .root }}{{ $id := .id }}{{ $spec := .spec -}}
{{- $pod := include "at.options" (dict "root" .root "controller" .spec) | fromYaml -}}
{{- if not (hasKey $pod "enableServiceLinks") }}{{ $_ := set $pod "enableServiceLinks" false }}{{ end -}}
{{- $_ := set $pod "serviceAccountName" (include "at.account" (dict "root" .root "spec" .spec) | trim) -}}
{{- range $field := list "initContainers" "containers" -}}
  {{- $list := list -}}
  {{- range $name, $item := include "at.enabled" (get $spec $field) | fromYaml -}}
    {{- $list = append $list (include "at.container" (dict "root" $root "controller" $id "spec" $spec "id" $name "item" $item) | fromJson) -}}
  {{- end -}}
  {{- if $list }}{{ $_ := set $pod $field $list }}{{ end -}}
{{- end -}}
{{- $volumes := list -}}
{{- range $volume, $p := include "at.enabled" .root.Values.persistence | fromYaml -}}
  {{- if or $p.globalMounts (dig "advancedMounts" $id false $p) (not (or $p.globalMounts $p.advancedMounts)) -}}
    {{- $volumes = append $volumes (include "at.volume" (dict "root" $root "id" $volume "item" $p) | fromJson) -}}
  {{- end -}}
{{- end -}}
{{- if $volumes }}{{ $_ := set $pod "volumes" $volumes }}{{ end -}}
{{- $defaults := .root.Values.defaultPodOptions | default dict -}}
{{- $own := .spec.pod | default dict -}}
{{- $labels := include "at.labels" (dict "root" .root "controller" .id) | fromYaml -}}
{{- $_ := set $labels "seatrial.dev/stand-in" (include "at.full" .root) -}}
metadata:
  labels: {{ include "at.tpl" (dict "root" .root "value" (merge $labels (deepCopy ($own.labels | default dict)) ($defaults.labels | default dict))) }}
  {{- with merge (dict) ($own.annotations | default dict) ($defaults.annotations | default dict) }}
  annotations: {{ include "at.tpl" (dict "root" $root "value" .) }}
  {{- end }}
spec: {{ toJson $pod }}
{{- end -}}
