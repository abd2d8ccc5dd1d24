package scheduler

// slab makes values many at a time: a plan for 100,000 tasks should not cost the
// garbage collector 300,000 objects.
type slab[T any] struct{ rest []T }

const slabSize = 32

func (s *slab[T]) next() *T {
	if len(s.rest) == 0 {
		s.rest = make([]T, slabSize)
	}
	first := &s.rest[0]
	s.rest = s.rest[1:]
	return first
}
