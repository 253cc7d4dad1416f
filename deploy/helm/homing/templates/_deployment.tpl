{{/* A Deployment of one process. (root, component, ports: what it serves, settings: what the chart
sets) */}}
{{- define "homing.deployment" -}}
{{- $own := index .root.Values .component -}}
{{- $settings := mergeOverwrite (dict
  "HOMING_BIND" .root.Values.bind
  "HOMING_INTERNAL_PORT" "9090"
  "HOMING_DRAIN_SECONDS" (toString $own.drainSeconds)) (include "homing.tracing" .root | fromYaml) .settings -}}
{{- $scraped := dict "prometheus.io/scrape" "true" "prometheus.io/port" "9090" "prometheus.io/path" "/metrics" -}}
{{- $annotations := mergeOverwrite (ternary $scraped dict .root.Values.monitoring.scrapeAnnotations) $own.podAnnotations -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ include "homing.fullname" .root }}-{{ .component }}
  labels: {{- include "homing.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations: {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- if not (kindIs "invalid" $own.replicas) }}
  replicas: {{ $own.replicas }}
  {{- end }}
  revisionHistoryLimit: 3
  # A new pod is ready before an old one leaves.
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxSurge: 1, maxUnavailable: 0}
  selector:
    matchLabels: {{- include "homing.selector" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "homing.labels" . | nindent 8 }}
        {{- range $name, $value := $own.podLabels }}
        {{ $name | quote }}: {{ $value | quote }}
        {{- end }}
      annotations:
        checksum/config: {{ include "homing.checksum" .root | quote }}
        {{- range $name, $value := $annotations }}
        {{ $name | quote }}: {{ $value | quote }}
        {{- end }}
    spec:
      {{- include "homing.podCommons" . | nindent 6 }}
      terminationGracePeriodSeconds: {{ add $own.preStopSeconds $own.drainSeconds 15 }}
      containers:
        -
          {{- include "homing.container" (dict "root" .root "command" .component "own" $own "settings" $settings "traced" true) | nindent 10 }}
          ports: {{- toYaml .ports | nindent 12 }}
          {{- if $own.preStopSeconds }}
          lifecycle:
            preStop:
              sleep: {seconds: {{ $own.preStopSeconds }}}
          {{- end }}
          # Neither depends on NATS or Postgres: all replicas would leave at once.
          startupProbe:
            httpGet: {path: /livez, port: internal}
            periodSeconds: 1
            failureThreshold: 90
          livenessProbe:
            httpGet: {path: /livez, port: internal}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 6
          readinessProbe:
            httpGet: {path: /readyz, port: internal}
            periodSeconds: 2
            timeoutSeconds: 3
      topologySpreadConstraints:
        {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ . }}
          whenUnsatisfiable: ScheduleAnyway
          matchLabelKeys: [pod-template-hash]
          labelSelector:
            matchLabels: {{- include "homing.selector" $ | nindent 14 }}
        {{- end }}
      {{- with $own.nodeSelector }}
      nodeSelector: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.tolerations }}
      tolerations: {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with $own.affinity }}
      affinity: {{- toYaml . | nindent 8 }}
      {{- end }}
{{- end -}}

{{/* A Service of one process. (root, component) */}}
{{- define "homing.service" -}}
{{- $service := (index .root.Values .component).service -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ include "homing.fullname" .root }}-{{ .component }}
  labels: {{- include "homing.labels" . | nindent 4 }}
  {{- with $service.annotations }}
  annotations:
    {{- range $name, $value := . }}
    {{ $name | quote }}: {{ $value | quote }}
    {{- end }}
  {{- end }}
spec:
  type: {{ $service.type }}
  selector: {{- include "homing.selector" . | nindent 4 }}
  ports:
    - name: http
      port: {{ $service.port }}
      targetPort: http
      protocol: TCP
      {{- with $service.nodePort }}
      nodePort: {{ . }}
      {{- end }}
{{- end -}}
