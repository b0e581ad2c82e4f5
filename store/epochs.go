package store

import (
	"errors"
	"fmt"
	"math"

	"github.com/quorate/quorate/farm"
)

// MaxRaise is how far RaiseEpochs goes at once: far beyond any number of moves,
// and so little that it never comes to the end of the numbers.
const MaxRaise farm.Epoch = 1 << 40

// CheckRaise refuses a step that raises nothing, or too much.
func CheckRaise(by farm.Epoch) error {
	if by == 0 || by > MaxRaise {
		return fmt.Errorf("epochs are raised by 1 to %d, not by %d", MaxRaise, by)
	}
	return nil
}

// Raised is an epoch that is raised, never one that has come round to a lower one.
func Raised(e, by farm.Epoch) (farm.Epoch, error) {
	if e > math.MaxUint64-by {
		return 0, errors.New("the epoch is too high to be raised")
	}
	return e + by, nil
}
