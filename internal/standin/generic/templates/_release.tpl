{{- /* stand-in.generic: The least that a chart can be, of which nothing is known: a pod that reads what the values say, and a Service.
expected.yaml says what else the repo takes for granted of a release, by namespace/name: Services with their
ports, workloads; and (taken) names of either that the repo itself has. */ -}}
{{- define "stand-in.generic" -}}
{{- $name := .Release.Name | trunc 53 | trimSuffix "-" }}
{{- $expected := get (.Files.Get "expected.yaml" | fromYaml) (printf "%s/%s" .Release.Namespace .Release.Name) | default dict }}
{{- $taken := $expected.taken | default list }}
{{- $out := dict "secrets" list "configMaps" list "claims" list "pull" list }}
{{- include "walk" (dict "value" .Values "key" "" "root" . "out" $out) }}
{{- $env := list }}{{ $from := list }}{{ $volumes := list }}
{{- range $i, $ref := $out.secrets | sortAlpha }}
  {{- $parts := splitList "/" $ref }}
  {{- if last $parts }}{{ $env = append $env (dict "name" (printf "SECRET_%d" $i) "valueFrom" (dict "secretKeyRef" (dict "name" (first $parts) "key" (last $parts)))) }}
  {{- else }}{{ $from = append $from (dict "secretRef" (dict "name" (first $parts))) }}{{ end }}
{{- end }}
{{- range $out.configMaps | sortAlpha }}{{ $from = append $from (dict "configMapRef" (dict "name" .)) }}{{ end }}
{{- range $i, $claim := $out.claims | sortAlpha }}{{ $volumes = append $volumes (dict "name" (printf "claim-%d" $i) "persistentVolumeClaim" (dict "claimName" $claim)) }}{{ end }}
{{- $pull := list }}{{ range $out.pull | sortAlpha }}{{ $pull = append $pull (dict "name" .) }}{{ end }}
{{- /* What a description of the chart has is made by another template; here, only a pod for what the values name. */ -}}
{{- $described := .Files.Get "stand-in.yaml" }}
{{- $reads := printf "%s%s" $name (ternary "-reads" "" (ne $described "")) }}
{{- if $described }}
  {{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) }}
  {{- $full = .Values.fullnameOverride | default $full }}
  {{- $description := tpl $described . | fromYaml }}
  {{- range $description.services }}{{ $taken = append $taken (printf "Service/%s" (.name | replace "~" $full | trunc 63)) }}{{ end }}
  {{- range $description.workloads }}{{ $taken = append $taken (printf "%s/%s" (.kind | default "Deployment") (.name | replace "~" $full | trunc 63)) }}{{ end }}
  {{- if not (or $env $from $volumes $pull) }}{{ $taken = append $taken (printf "Deployment/%s" $reads) }}{{ end }}
  {{- $taken = append $taken (printf "Service/%s" $name) }}
{{- end }}
{{- $workloads := list }}
{{- $all := $expected.workloads | default list }}
{{- /* A workload of its name that the repo knows is the release's. */}}
{{- if not (regexMatch (printf " [A-Za-z]+/%s " ($reads | replace "." "\\.")) (printf " %s " (join "  " $all))) }}{{ $all = append $all (printf "Deployment/%s" $reads) }}{{ end }}
{{- range $all }}{{ if not (has . $taken) }}{{ $workloads = append $workloads . }}{{ end }}{{ end }}
{{- range $w := $workloads }}
{{- $parts := splitList "/" $w }}
{{- $main := eq (last $parts) $reads }}
---
apiVersion: apps/v1
kind: {{ first $parts }}
metadata:
  name: {{ last $parts }}
  labels: {app.kubernetes.io/name: {{ $name }}}
  annotations: {seatrial.dev/images: unknown}
spec:
  selector:
    matchLabels: {seatrial.dev/stand-in: {{ last $parts }}}
  {{- if eq (first $parts) "StatefulSet" }}
  serviceName: {{ $name }}
  {{- end }}
  template:
    metadata:
      labels: {seatrial.dev/stand-in: {{ last $parts }}}
    spec:
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true, runAsUser: 65534, seccompProfile: {type: RuntimeDefault}}
      {{- with $pull }}
      imagePullSecrets: {{ toJson . }}
      {{- end }}
      containers:
      - name: main
        image: registry.k8s.io/pause:3.10
        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}
        {{- if and $main $env }}
        env: {{ toJson $env }}
        {{- end }}
        {{- if and $main $from }}
        envFrom: {{ toJson $from }}
        {{- end }}
      {{- if and $main $volumes }}
      volumes: {{ toJson $volumes }}
      {{- end }}
{{- end }}
{{- $services := $expected.services | default dict }}
{{- if not (or (has (printf "Service/%s" $name) $taken) (hasKey $services $name)) }}
  {{- $ports := list }}
  {{- $service := .Values.service }}
  {{- if kindIs "map" $service }}
    {{- with $service.port }}{{ $ports = append $ports (toString . | int) }}{{ end }}
    {{- if kindIs "map" $service.ports }}
      {{- range $service.ports }}{{ if kindIs "map" . }}{{ $ports = append $ports (toString .port | int) }}{{ else }}{{ $ports = append $ports (toString . | int) }}{{ end }}{{ end }}
    {{- end }}
  {{- end }}
  {{- $names := list }}
  {{- range $ports | uniq }}{{ if and (gt . 0) (lt . 65536) }}{{ $names = append $names (toString .) }}{{ end }}{{ end }}
  {{- $services = set $services $name $names }}
{{- end }}
{{- range $service, $ports := $services }}
{{- if not (has (printf "Service/%s" $service) $taken) }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $service }}
spec:
  selector: {seatrial.dev/stand-in: {{ $name }}}
  ports:
  {{- range $port := $ports | default (list "80") }}
  {{- /* A name stands for a port that only the chart knows the number of. */}}
  {{- if int $port }}
  - {name: port-{{ $port }}, port: {{ $port }}}
  {{- else }}
  - {name: {{ $port }}, port: {{ add 20000 (mod (adler32sum $port | atoi) 40000) }}}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}
