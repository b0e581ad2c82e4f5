package provider

import "context"

type guardKey struct{}

// Guarded returns a context under which a Driver or Conn begins no call to the
// Provider once allowed gives an error. A context alone is not enough: after a
// pause of the process, a call may begin before the timer that ends the context.
func Guarded(ctx context.Context, allowed func() error) context.Context {
	return context.WithValue(ctx, guardKey{}, allowed)
}

// Allowed is asked before every single request to a Provider. Its error says
// why there must be none any more.
func Allowed(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if allowed, ok := ctx.Value(guardKey{}).(func() error); ok {
		return allowed()
	}
	return nil
}
