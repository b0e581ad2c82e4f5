package main

import (
	"fmt"
	"math"
	"time"

	"github.com/anishathalye/porcupine"
)

// register is a model of one register: its value.
func register() porcupine.Model {
	return porcupine.Model{
		Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
			by := map[string][]porcupine.Operation{}
			for _, o := range history {
				r := o.Input.(operation).register
				by[r] = append(by[r], o)
			}
			var parts [][]porcupine.Operation
			for _, p := range by {
				parts = append(parts, p)
			}
			return parts
		},
		Init: func() any { return "" },
		Step: func(state, input, _ any) (bool, any) {
			value, op := state.(string), input.(operation)
			switch op.kind {
			case opRead:
				return value == op.read, value
			case opReplace:
				return value == op.expected, op.wrote
			default:
				return true, op.wrote
			}
		},
		DescribeOperation: func(input, _ any) string { return fmt.Sprintf("%+v", input) },
	}
}

// linearizable checks a history. Written values are unique, so a write of which
// nobody knows whether it was done can be told from what others saw: it was done
// before the first of them ended, or might as well not have been.
func linearizable(history []operation, patience time.Duration) (porcupine.CheckResult, int) {
	saw := map[string]int64{} // the end of the first who saw it
	for _, op := range history {
		for _, value := range []string{op.read, op.expected} {
			if value == "" || op.unknown || value == op.wrote {
				continue
			}
			if at, ok := saw[value]; !ok || op.end < at {
				saw[value] = op.end
			}
		}
	}
	var ops []porcupine.Operation
	unknown := 0
	for _, op := range history {
		if op.unknown {
			unknown++
			end, seen := saw[op.wrote]
			if !seen {
				continue
			}
			op.end = max(end, op.begin)
		}
		ops = append(ops, porcupine.Operation{ClientId: max(op.client, 0), Input: op, Call: op.begin, Return: min(op.end, math.MaxInt64)})
	}
	return porcupine.CheckOperationsTimeout(register(), ops, patience), unknown
}
