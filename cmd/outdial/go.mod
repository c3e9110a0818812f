module github.com/outdial/outdial/cmd/outdial

go 1.26.0

require (
	github.com/outdial/outdial/pkg v0.0.0
	github.com/outdial/outdial/pkg/events v0.0.0
	github.com/outdial/outdial/services/compliance v0.0.0
	github.com/outdial/outdial/services/dialer v0.0.0
	github.com/outdial/outdial/services/events-bridge v0.0.0
	github.com/outdial/outdial/services/orchestrator v0.0.0
)

require (
	github.com/alecthomas/kong v1.17.0 // indirect
	go.yaml.in/yaml/v3 v3.0.6 // indirect
)

replace github.com/outdial/outdial/pkg => ../../pkg

replace github.com/outdial/outdial/pkg/events => ../../pkg/events

replace github.com/outdial/outdial/services/orchestrator => ../../services/orchestrator

replace github.com/outdial/outdial/services/compliance => ../../services/compliance

replace github.com/outdial/outdial/services/dialer => ../../services/dialer

replace github.com/outdial/outdial/services/events-bridge => ../../services/events-bridge
