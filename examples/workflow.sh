#!/bin/sh
# The whole creative workflow with events, which takes about a minute with a real model: signs of life, the stages, the
# result. Who loses the connection asks again under the same key and gets the same run. `sh examples/workflow.sh [gateway URL]`
curl --no-buffer --silent --show-error "${1:-http://127.0.0.1:8787}/api/v1/creative/workflow" \
  ${GATEWAY_API_KEY:+-H "authorization: Bearer $GATEWAY_API_KEY"} \
  -H 'accept: text/event-stream' \
  -H 'content-type: application/json' \
  -H "idempotency-key: ${IDEMPOTENCY_KEY:-$(date +%s)-$$}" \
  -d '{"task": "写一部江湖小说：少年林青羽在长安城寻找失踪的师父", "project_id": "p1"}'
