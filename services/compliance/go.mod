module github.com/outdial/outdial/services/compliance

go 1.26.0

require (
	github.com/outdial/outdial/pkg v0.0.0
	github.com/outdial/outdial/pkg/events v0.0.0
)

require (
	github.com/google/go-cmp v0.7.0
	github.com/nyaruka/phonenumbers v1.8.1
	go.yaml.in/yaml/v3 v3.0.6
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
	pgregory.net/rapid v1.3.0
)

replace github.com/outdial/outdial/pkg => ../../pkg

replace github.com/outdial/outdial/pkg/events => ../../pkg/events
