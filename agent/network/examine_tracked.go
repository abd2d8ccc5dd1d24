package network

import "github.com/orc-project/orc/api"

// examineTracked looks whether there is room for new connections.
func (f *Fabric) examineTracked() api.Finding {
	count, limit, err := f.links.Tracked()
	if err != nil {
		return warning("connections", "%v", err)
	}
	return judgeTracked(count, limit)
}

// judgeTracked warns before the kernel gives up connections that ended to make room
// (from 95 in 100 on), and then refuses new ones.
func judgeTracked(count, limit int) api.Finding {
	if limit == 0 {
		return fine("connections", "%d connections are tracked, as many as there are", count)
	}
	if count >= limit/10*8 {
		return warning("connections", "%d connections are tracked of at most %d: with more, new ones are refused; raise this host's sysctl net.netfilter.nf_conntrack_max", count, limit)
	}
	return fine("connections", "%d connections are tracked of at most %d", count, limit)
}
