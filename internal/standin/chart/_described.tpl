{{- /* stand-in.described: the objects of a chart that stand-in.yaml describes, as YAML. */ -}}
{{- define "stand-in.described" -}}
{{- $full := .Release.Name }}
{{- if not (contains .Chart.Name .Release.Name) }}{{ $full = printf "%s-%s" .Release.Name .Chart.Name }}{{ end }}
{{- $full = .Values.fullnameOverride | default $full }}
{{- $spec := tpl (.Files.Get "stand-in.yaml") . | fromYaml }}
{{- with $spec.Error }}{{ fail . }}{{ end }}
{{- range $w := $spec.workloads }}
{{- /* "when" is an expression: the workload exists if it gives any text. */ -}}
{{- if or (not (hasKey $w "when")) (trim (toString $w.when)) }}
{{- $name := $w.name | replace "~" $full | trunc 63 }}
{{- $kind := $w.kind | default "Deployment" }}
---
apiVersion: {{ if eq $kind "Job" }}batch/v1{{ else }}apps/v1{{ end }}
kind: {{ $kind }}
metadata:
  name: {{ $name }}
  {{- if $w.operator }}
  annotations: {seatrial.dev/made-by: operator}
  {{- end }}
spec:
  {{- if ne $kind "Job" }}
  selector:
    matchLabels: {seatrial.dev/stand-in: {{ $name }}}
  {{- end }}
  {{- if eq $kind "StatefulSet" }}
  serviceName: {{ $name }}
  {{- end }}
  {{- with $w.replicas }}
  replicas: {{ . | int }}
  {{- end }}
  template:
    metadata:
      labels: {seatrial.dev/stand-in: {{ $name }}}
    spec:
      {{- if eq $kind "Job" }}
      restartPolicy: Never
      {{- end }}
      {{- $context := "" }}
      {{- if eq (toString $w.podSecurity) "restricted" }}
      {{- $context = `{allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}` }}
      securityContext: {runAsNonRoot: true, runAsUser: 65534, seccompProfile: {type: RuntimeDefault}}
      {{- else if eq (toString $w.podSecurity) "privileged" }}
      hostPID: true
      {{- end }}
      {{- with $w.init }}
      initContainers:
      {{- range $i, $image := . }}
      - name: init-{{ $i }}
        image: {{ $image | quote }}
        {{- with $context }}
        securityContext: {{ . }}
        {{- end }}
      {{- end }}
      {{- end }}
      containers:
      - name: main
        image: {{ $w.image | quote }}
        {{- with $context }}
        securityContext: {{ . }}
        {{- end }}
        {{- $env := list }}
        {{- $envFrom := list }}
        {{- range $ref := splitList " " (join " " $w.secrets) }}
        {{- $parts := splitn "/" 2 $ref }}
        {{- if and $parts._0 $parts._1 }}
        {{- $env = append $env (dict "name" (printf "SECRET_%d" (len $env)) "valueFrom" (dict "secretKeyRef" (dict "name" $parts._0 "key" $parts._1))) }}
        {{- else if $parts._0 }}
        {{- $envFrom = append $envFrom (dict "secretRef" (dict "name" $parts._0)) }}
        {{- end }}
        {{- end }}
        {{- with $w.env }}
        {{- $env = concat $env (. | b64dec | fromJsonArray) }}
        {{- end }}
        {{- with $env }}
        env: {{ toJson . }}
        {{- end }}
        {{- with $envFrom }}
        envFrom: {{ toJson . }}
        {{- end }}
      {{- range $i, $image := $w.sidecars }}
      - name: sidecar-{{ $i }}
        image: {{ $image | quote }}
        {{- with $context }}
        securityContext: {{ . }}
        {{- end }}
      {{- end }}
      {{- $volumes := list }}
      {{- with $w.volumes }}{{ $volumes = . | b64dec | fromJsonArray }}{{ end }}
      {{- if and $w.storage (or $w.claim (ne $kind "StatefulSet")) }}
      {{- $volumes = append $volumes (dict "name" "data" "persistentVolumeClaim" (dict "claimName" $name)) }}
      {{- end }}
      {{- with $volumes }}
      volumes: {{ toJson . }}
      {{- end }}
  {{- if and $w.storage (not $w.claim) (eq $kind "StatefulSet") }}
  volumeClaimTemplates:
  - metadata:
      name: data
    spec:
      accessModes: [ReadWriteOnce]
      resources:
        requests:
          storage: {{ $w.storage }}
  {{- end }}
{{- if and $w.storage (or $w.claim (ne $kind "StatefulSet")) }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ $name }}
spec:
  accessModes: [ReadWriteOnce]
  resources:
    requests:
      storage: {{ $w.storage }}
{{- end }}
{{- end }}
{{- end }}
{{- range $s := $spec.services }}
{{- if or (not (hasKey $s "when")) (trim (toString $s.when)) }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $s.name | replace "~" $full | trunc 63 }}
spec:
  selector: {seatrial.dev/stand-in: {{ $full }}}
  ports:
  {{- range $port := $s.ports }}
  - {name: port-{{ $port | int }}, port: {{ $port | int }}}
  {{- end }}
{{- end }}
{{- end }}
{{- range $p := $spec.networkPolicies }}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ $p | replace "~" $full | trunc 63 }}
spec:
  podSelector:
    matchLabels: {seatrial.dev/stand-in: {{ $full }}}
{{- end }}
{{- end -}}
