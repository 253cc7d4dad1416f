{{/* What a name begins with. Service names must begin with a letter and have no dot, and room is
needed for suffixes; a release may be called `1234` or be 53 characters long. */}}
{{- define "homing.base" -}}
{{- $name := replace "." "-" .Release.Name -}}
{{- if not (regexMatch "^[a-z]" $name) }}{{ $name = printf "r%s" $name }}{{ end -}}
{{- if gt (len $name) 32 }}{{ $name = printf "%s-%s" ($name | trunc 25 | trimSuffix "-") (sha256sum .Release.Name | trunc 6) }}{{ end -}}
{{- $name -}}
{{- end -}}

{{- define "homing.fullname" -}}
{{- $base := include "homing.base" . -}}
{{- if contains "homing" $base }}{{ $base }}{{ else }}{{ printf "%s-homing" $base }}{{ end -}}
{{- end -}}

{{- define "homing.nats" -}}{{ include "homing.base" . }}-nats{{- end -}}
{{- define "homing.postgres" -}}{{ include "homing.base" . }}-postgres{{- end -}}

{{/* (root, component) */}}
{{- define "homing.selector" -}}
app.kubernetes.io/name: "homing"
app.kubernetes.io/instance: {{ .root.Release.Name | quote }}
app.kubernetes.io/component: {{ .component | quote }}
{{- end -}}

{{- define "homing.labels" -}}
{{ include "homing.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service | quote }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | quote }}
{{- end -}}

{{- define "homing.image" -}}
{{- $image := .Values.image -}}
{{- if $image.reference }}{{ $image.reference }}
{{- else if $image.digest }}{{ printf "%s@%s" $image.repository $image.digest }}
{{- else }}{{ printf "%s:%s" $image.repository ($image.tag | default .Chart.AppVersion) }}
{{- end -}}
{{- end -}}
