package hosts

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const silence = Silence(3 * time.Second)

var host, first, second = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3")

// link is what becomes of a question, since the vigil began: after how long it is
// answered, or why not. A silence is ErrSilent.
type link func(since time.Duration) (time.Duration, error)

func well(time.Duration) (time.Duration, error)   { return time.Millisecond, nil }
func silent(time.Duration) (time.Duration, error) { return 0, ErrSilent }

func from(at time.Duration, before, then link) link {
	return func(since time.Duration) (time.Duration, error) {
		if since < at {
			return before(since)
		}
		return then(since)
	}
}

// asked is Ask in a world of links.
func asked(links map[netip.Addr]link) Ask {
	began := time.Now()
	return func(ctx context.Context, host netip.Addr) error {
		after, err := links[host](time.Since(began))
		if errors.Is(err, ErrSilent) {
			<-ctx.Done()
			return ErrSilent
		}
		if err != nil {
			return err
		}
		select {
		case <-time.After(after):
			return nil
		case <-ctx.Done():
			return ErrSilent
		}
	}
}

func TestAHostIsGoneWhenItDoesNotAnswerAndOthersDo(t *testing.T) {
	flap := func(since time.Duration) (time.Duration, error) {
		if since/(300*time.Millisecond)%2 == 0 {
			return 0, ErrSilent
		}
		return time.Millisecond, nil
	}
	random := rand.New(rand.NewPCG(1, 2))
	lossy := func(time.Duration) (time.Duration, error) {
		if random.Float64() < 0.7*0.7 {
			return time.Millisecond, nil
		}
		return 0, ErrSilent
	}
	slow := func(time.Duration) (time.Duration, error) { return 390 * time.Millisecond, nil }
	noWay := func(time.Duration) (time.Duration, error) { return 0, errors.New("no route to host") }
	for _, c := range []struct {
		name          string
		host          link
		first, second link
		gone          time.Duration // 0 for never
	}{
		{"silent", silent, well, well, time.Second},
		{"it answers", well, well, well, 0},
		{"it answers at first", from(150*time.Millisecond, well, silent), well, well, 1160 * time.Millisecond},
		{"silent for less", from(900*time.Millisecond, silent, well), well, well, 0},
		{"a cable that is pulled again and again", flap, well, well, 0},
		{"a link that loses packets", lossy, well, well, 0},
		{"queues are full", slow, well, well, 0},
		{"no way there", noWay, well, well, 0},
		{"this one's own cable is out", silent, silent, silent, 0},
		{"and for a moment", from(1500*time.Millisecond, silent, well), from(1200*time.Millisecond, silent, well), silent, 0},
		{"one witness is gone too", silent, silent, well, 1440 * time.Millisecond},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gone, took := watch(t, silence, map[netip.Addr]link{host: c.host, first: c.first, second: c.second}, nil)
				require.Equal(t, c.gone > 0, gone)
				if gone {
					require.InDelta(t, c.gone.Seconds(), took.Seconds(), 0.05)
				}
			})
		})
	}
}

// watch keeps a vigil for ten times the silence.
func watch(t *testing.T, silence Silence, links map[netip.Addr]link, change func(*Vigil)) (gone bool, took time.Duration) {
	began := time.Now()
	v := &Vigil{
		Ask: asked(links), Host: host, Silence: silence, Witnesses: []netip.Addr{first, second},
		Sound: func() bool { return true },
		Over:  func() bool { return time.Since(began) > 10*time.Duration(silence) },
	}
	if change != nil {
		change(v)
	}
	return v.Gone(t.Context()), time.Since(began)
}

func TestPatienceIsAThirdOfTheSilence(t *testing.T) {
	for _, silence := range []Silence{Silence(time.Second), Silence(time.Minute)} {
		synctest.Test(t, func(t *testing.T) {
			gone, took := watch(t, silence, map[netip.Addr]link{host: silent, first: well, second: well}, nil)
			require.True(t, gone)
			require.InDelta(t, time.Duration(silence).Seconds()/3, took.Seconds(), 0.01)
		})
	}
}

func TestAHostIsNotGoneForWhoCannotKnow(t *testing.T) {
	links := map[netip.Addr]link{host: silent, first: well, second: well}
	for name, change := range map[string]func(*Vigil){
		"no witness":      func(v *Vigil) { v.Witnesses = nil },
		"nobody believes": func(v *Vigil) { v.Sound = func() bool { return false } },
		"held up again and again": func(v *Vigil) {
			over, n := v.Over, 0
			v.Over = func() bool {
				if n++; n%10 == 0 {
					time.Sleep(250 * time.Millisecond)
				}
				return over()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				gone, _ := watch(t, silence, links, change)
				require.False(t, gone)
			})
		})
	}
}

func TestWhatComesWhileThisProcessIsNotBelievedDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		gone, took := watch(t, silence, map[netip.Addr]link{host: silent, first: well, second: well}, func(v *Vigil) {
			v.Sound = func() bool { return time.Since(began) > 900*time.Millisecond }
		})
		require.True(t, gone)
		require.InDelta(t, 1.9, took.Seconds(), 0.05)
	})
}

func TestAMissIsOneOfAQuestionThatCounts(t *testing.T) {
	late := silence.late()
	for _, c := range []struct {
		name   string
		answer answer
		missed int
	}{
		{"silent", answer{4, ErrSilent, nil, late}, 3},
		{"asked too early", answer{3, ErrSilent, nil, late}, 2},
		{"heard too late", answer{4, ErrSilent, nil, late + 6*silence.every()}, 2},
		{"the witness is silent too", answer{4, ErrSilent, ErrSilent, late}, 2},
		{"it could not be asked", answer{4, errors.New("no file descriptor is left"), nil, 0}, 2},
		{"it answers", answer{3, nil, nil, 0}, 0},
		{"it alone answers", answer{4, nil, ErrSilent, late}, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			counted := tally{silence: silence, asked: 6, from: 4, missed: 2}
			counted.add(c.answer)
			require.Equal(t, c.missed, counted.missed)
		})
	}
}

func TestAHostAnswersIfItDoesSoPromptly(t *testing.T) {
	n := 0
	lostTwice := func(time.Duration) (time.Duration, error) {
		if n++; n < 3 {
			return 0, ErrSilent
		}
		return time.Millisecond, nil
	}
	for _, c := range []struct {
		name string
		link link
		want bool
	}{
		{"well", well, true},
		{"silent", silent, false},
		{"two packets lost", lostTwice, true},
		{"far away", func(time.Duration) (time.Duration, error) { return 110 * time.Millisecond, nil }, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			require.Equal(t, c.want, Answer(t.Context(), asked(map[netip.Addr]link{host: c.link}), host, silence), c.name)
		})
	}
}
