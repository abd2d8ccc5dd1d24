package node

import "context"

func (n *process) serveAgent(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}
