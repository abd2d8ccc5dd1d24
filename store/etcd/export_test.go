package etcd

// SweepOnce lets tests not wait for a fence's time.
func (s *Store) SweepOnce(last int64) int64 { return s.sweepOnce(last) }
