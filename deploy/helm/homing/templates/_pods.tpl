{{/* What every pod of Homing, NATS and Postgres has: the "restricted" level of pod security.
(user: the numeric user, group: of its volumes) */}}
{{- define "homing.podSecurity" -}}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ .user }}
  runAsGroup: {{ .group }}
  fsGroup: {{ .group }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* (writable) */}}
{{- define "homing.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: {{ not .writable }}
  capabilities: {drop: [ALL]}
{{- end -}}

{{/* Whole numbers above 2^53 aside, YAML's numbers reach a template as floats. */}}
{{- define "homing.environment" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* The standard variables of traces, as YAML; nothing where none are asked for. */}}
{{- define "homing.tracing" -}}
{{- with .Values.telemetry }}{{- if .otlp.endpoint -}}
OTEL_EXPORTER_OTLP_ENDPOINT: {{ .otlp.endpoint | quote }}
OTEL_EXPORTER_OTLP_PROTOCOL: {{ .otlp.protocol | quote }}
OTEL_TRACES_SAMPLER: {{ .sampler | quote }}
OTEL_TRACES_SAMPLER_ARG: {{ .samplerArg | quote }}
OTEL_RESOURCE_ATTRIBUTES: "k8s.namespace.name=$(POD_NAMESPACE),k8s.pod.name=$(POD_NAME)"
{{- end }}{{ end }}
{{- end -}}

{{/* What those variables refer to: Kubernetes fills in what stands above. */}}
{{- define "homing.traced" -}}
{{- with .Values.telemetry.otlp }}{{ if .endpoint }}
- name: POD_NAME
  valueFrom:
    fieldRef: {fieldPath: metadata.name}
- name: POD_NAMESPACE
  valueFrom:
    fieldRef: {fieldPath: metadata.namespace}
{{- with .headersSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom:
    secretKeyRef: {name: {{ . | quote }}, key: headers}
{{- end }}
{{- end }}{{ end }}
{{- end -}}

{{/* A container of our image. (root, command, own: its values, settings: what the chart sets,
options: after the command, traced: whether it records traces) */}}
{{- define "homing.container" -}}
name: {{ .command }}
image: {{ include "homing.image" .root | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: [{{ prepend (.options | default list) .command | join ", " }}]
env:
  {{- if ne .command "web" }}
  {{- include "homing.connections" (dict "root" .root "role" .command) | nindent 2 }}
  {{- end }}
  {{- if eq .command "api" }}
  - name: HOMING_SESSION_KEYS
    valueFrom:
      secretKeyRef: {name: {{ include "homing.sessionSecret" .root | quote }}, key: keys}
  {{- $operator := .root.Values.operator }}
  {{- if and $operator.enabled (or $operator.token $operator.existingSecret) }}
  - name: HOMING_OPERATOR_TOKEN
    valueFrom:
      secretKeyRef: {name: {{ include "homing.operatorSecret" .root | quote }}, key: token}
  {{- end }}
  {{- end }}
  {{- if .traced }}
  {{- include "homing.traced" .root | nindent 2 }}
  {{- end }}
  {{- $common := dict "HOMING_LOG_LEVEL" .root.Values.logLevel "HOMING_LOG_FORMAT" "json" }}
  {{- $all := mergeOverwrite $common .settings .root.Values.settings .own.settings }}
  {{- include "homing.environment" $all | nindent 2 }}
resources: {{- toYaml .own.resources | nindent 2 }}
{{ include "homing.containerSecurity" (dict "writable" .root.Values.writableRoot) }}
volumeMounts:
  - {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* The rest of a pod of our image. (root, component) */}}
{{- define "homing.podCommons" -}}
serviceAccountName: {{ include "homing.fullname" .root }}-{{ .component }}
{{ include "homing.podSecurity" (dict "user" 65532 "group" 65532) }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end -}}
