module github.com/outdial/outdial/services/orchestrator

go 1.26.0

require (
	github.com/outdial/outdial/pkg v0.0.0
	github.com/outdial/outdial/pkg/events v0.0.0
)

replace github.com/outdial/outdial/pkg => ../../pkg

replace github.com/outdial/outdial/pkg/events => ../../pkg/events
