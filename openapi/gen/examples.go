package main

import (
	"fmt"

	"github.com/getkin/kin-openapi/openapi3"
)

type object = map[string]any

// examples are the bodies that Swagger UI offers to send, by operation. Those
// that are made of the schemas are refused: they set what is read-only, and name
// what is not there. These work on the Site of `quorate dev`; none names what
// the request's path does.
var examples = map[string]any{
	"createSite": object{"id": "branch", "name": "Branch office", "failback": object{"mode": "automatic", "holdDown": "30s"}},
	"putSite":    object{"name": "Headquarters", "description": "All of Berlin.", "failback": object{"mode": "automatic", "holdDown": "10s"}, "tieBreaker": "none", "failsafe": true, "maxParallelMoves": 8},
	"patchSite":  object{"description": "All of Berlin."},

	"createBroker": object{"id": "cb-9", "name": "Rack 9", "address": "https://10.0.0.9:8080", "mode": "standby"},
	"putBroker":    object{"name": "Rack 2", "description": "The left one.", "address": "http://127.0.0.1:8081", "enabled": true},
	"patchBroker":  object{"description": "The left one."},

	"createProvider": object{"id": "vc-berlin", "name": "vCenter Berlin", "type": "vsphere", "address": vCenter, "credentials": credentials},
	"putProvider":    object{"name": "vCenter Berlin", "type": "vsphere", "address": vCenter, "enabled": true, "credentials": credentials, "options": object{}},
	"patchProvider":  object{"name": "vCenter Berlin", "preferredConnectionBroker": object{"mode": "manual", "broker": "cb-2"}},
	"moveProvider":   object{"broker": "cb-2"},

	"simulate": object{
		"fail": []string{"cb-1"},
		"set":  object{"providers": object{"vc-1": object{"preferredConnectionBroker": object{"mode": "manual", "broker": "cb-2"}}}},
	},
}

const vCenter = "https://vc-1.example/sdk"

var credentials = object{"username": "svc-vdi", "password": "a secret"}

// exemplify gives an operation's body its example.
func exemplify(op *openapi3.Operation) error {
	example, ok := examples[op.OperationID]
	if !ok {
		return fmt.Errorf("the body of %s has no example", op.OperationID)
	}
	for _, content := range op.RequestBody.Value.Content {
		content.Example = example
	}
	return nil
}
