package network

import (
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// turn is a lock that a synctest bubble can wait for.
type turn chan struct{}

func (t turn) Lock()   { t <- struct{}{} }
func (t turn) Unlock() { <-t }

func TestACrowdSharesAnUpdate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c commits
		lock := make(turn, 1)
		updates := 0
		began := time.Now()
		join := func() {
			require.True(t, c.do(lock, func() bool {
				updates++
				time.Sleep(time.Second)
				return true
			}))
		}
		go join()
		synctest.Wait() // it is at work
		for range 49 {
			go join()
		}
		synctest.Wait()
		time.Sleep(2 * time.Second)
		synctest.Wait()
		require.Equal(t, 2, updates, "the first one's, and one for all others")
		join()
		require.Equal(t, 3, updates, "who comes later gets one too")
		require.Equal(t, 3*time.Second, time.Since(began))
	})
}

func TestAllOfABatchAreToldThatItFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c commits
		lock := make(turn, 1)
		lock.Lock()
		told := make(chan bool, 10)
		for range cap(told) {
			go func() { told <- c.do(lock, func() bool { return false }) }()
		}
		synctest.Wait()
		lock.Unlock()
		for range cap(told) {
			require.False(t, <-told)
		}
	})
}

func TestNobodyReturnsBeforeAnUpdateThatSawThem(t *testing.T) {
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		synctest.Test(t, func(t *testing.T) {
			var c commits
			lock := make(turn, 1)
			var there, seen [40]atomic.Bool
			var working atomic.Int32
			for i := range there {
				start, lasts := time.Duration(random.IntN(50)), time.Duration(random.IntN(20))
				go func() {
					time.Sleep(start)
					there[i].Store(true)
					c.do(lock, func() bool {
						assert.EqualValues(t, 1, working.Add(1), "one update at a time")
						defer working.Add(-1)
						var saw []int
						for j := range there {
							if there[j].Load() {
								saw = append(saw, j)
							}
						}
						time.Sleep(lasts)
						for _, j := range saw {
							seen[j].Store(true)
						}
						return true
					})
					assert.True(t, seen[i].Load(), "seed %d: %d is back, and no update has seen it", seed, i)
				}()
			}
			time.Sleep(time.Hour)
			synctest.Wait()
			for i := range seen {
				require.True(t, seen[i].Load(), "seed %d: %d", seed, i)
			}
		})
	}
}
