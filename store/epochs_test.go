package store

import (
	"math"
	"testing"

	"github.com/quorate/quorate/farm"
)

func TestAnEpochIsNeverLowered(t *testing.T) {
	for by, good := range map[farm.Epoch]bool{0: false, 1: true, MaxRaise: true, MaxRaise + 1: false, math.MaxUint64: false} {
		if err := CheckRaise(by); (err == nil) != good {
			t.Errorf("by %d: %v", by, err)
		}
	}
	if e, err := Raised(math.MaxUint64-1, 1); err != nil || e != math.MaxUint64 {
		t.Errorf("%d, %v", e, err)
	}
	if e, err := Raised(math.MaxUint64, 1); err == nil {
		t.Errorf("it became %d", e)
	}
}
