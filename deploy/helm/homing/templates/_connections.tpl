{{/* How a process reaches NATS and Postgres. The trial's Secrets have passwords, which Kubernetes
puts into the URL; yours have whole URLs. (root, role: migrate, api or reactor) */}}
{{- define "homing.connections" -}}
{{- $root := .root -}}
{{- if $root.Values.nats.enabled }}
- name: NATS_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $root.Values.nats.auth.existingSecret | default (include "homing.nats" $root) | quote }}, key: {{ .role }}}
- name: HOMING_NATS_URL
  value: "nats://homing_{{ .role }}:$(NATS_PASSWORD)@{{ include "homing.nats" $root }}:4222"
{{- else }}
- name: HOMING_NATS_URL
  valueFrom:
    secretKeyRef: {name: {{ $root.Values.external.nats.existingSecret | default (printf "%s-nats-urls" (include "homing.fullname" $root)) | quote }}, key: {{ .role }}}
{{- end }}
{{- if $root.Values.postgres.enabled }}
{{- $user := dict "migrate" "homing_migrator" "api" "homing_api" "reactor" "homing_reactor" }}
- name: POSTGRES_PASSWORD
  valueFrom:
    secretKeyRef: {name: {{ $root.Values.postgres.auth.existingSecret | default (include "homing.postgres" $root) | quote }}, key: {{ .role }}}
- name: HOMING_POSTGRES_URL
  value: "postgresql://{{ get $user .role }}:$(POSTGRES_PASSWORD)@{{ include "homing.postgres" $root }}:5432/homing"
{{- else }}
- name: HOMING_POSTGRES_URL
  valueFrom:
    secretKeyRef: {name: {{ $root.Values.external.postgres.existingSecret | default (printf "%s-postgres-urls" (include "homing.fullname" $root)) | quote }}, key: {{ .role }}}
{{- end }}
{{- end -}}

{{- define "homing.sessionSecret" -}}
{{ .Values.session.existingSecret | default (printf "%s-session" (include "homing.fullname" .)) }}
{{- end -}}

{{- define "homing.operatorSecret" -}}
{{ .Values.operator.existingSecret | default (printf "%s-operator" (include "homing.fullname" .)) }}
{{- end -}}

{{- define "homing.apiInternal" -}}{{ include "homing.fullname" . }}-api-internal{{- end -}}

{{/* Changes with what was given, never with what was made, or the first upgrade would restart all. */}}
{{- define "homing.checksum" -}}
{{ dict "external" .Values.external "session" .Values.session "operator" .Values.operator "nats" (.Values.nats.auth | default dict) "postgres" (.Values.postgres.auth | default dict) | toJson | sha256sum }}
{{- end -}}
