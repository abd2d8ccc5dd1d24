package node

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"

	"github.com/orc-project/orc/agent"
	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/store/seal"
)

// Run is a node's process: it becomes a node if it is none yet, and serves until
// ctx ends, which takes a few seconds. Containers run on.
//
//	(nobody) ──bootstrap, join──▶ node ──▶ serving ──(ctx)──▶ stopped ──Run──▶ serving
//
// When it fails before it is a node, it leaves nothing behind that a next try
// would meet.
func Run(ctx context.Context, config Config, log *zap.Logger) error {
	if err := config.Validate(); err != nil {
		return err
	}
	dir, err := openDirectory(config.DataDir)
	if err != nil {
		return err
	}
	for locked := true; locked; {
		n := newProcess(config, dir, log)
		err = n.run(ctx)
		locked = errors.Is(err, errLock)
		config.Advertise, _ = n.advertised()
		config.ForceNewCluster = n.config.ForceNewCluster // which may be done: others have joined since
		if failed := n.close(); failed != nil || !locked {
			return errors.Join(err, failed, dir.close())
		}
	}
	return nil
}

func newProcess(config Config, dir *directory, log *zap.Logger) *process {
	return &process{
		config: config, dir: dir, log: log, told: make(chan struct{}, 1), locking: make(chan struct{}, 1),
		outdated: make(chan time.Duration, 1), describing: make(chan struct{}, 1), acknowledging: make(chan struct{}, 1),
		moved: make(chan struct{}), readdressed: make(chan struct{}, 1),
		agent: make(chan *agent.Agent, 1),
	}
}

// process is a node's process.
type process struct {
	config      Config
	dir         *directory
	log         *zap.Logger
	identity    *identity
	credentials *ca.Credentials
	keys        *seal.Ring // that seal the database; a manager's
	wrap        seal.Wrap  // that they are wrapped by on the disk
	// tcp and unix are open until a part of the node takes them over.
	tcp, unix net.Listener
	lingering sync.WaitGroup    // servers of a time before
	database  *database         // a manager's
	new       *founding         // of a cluster that is being made
	agent     chan *agent.Agent // once it is there, if there is to be one
	// called is what the cluster calls this node, told that somebody said so.
	called  api.Role
	told    chan struct{}
	locking chan struct{} // asks the process to lock itself
	// outdated is told within which time to renew a certificate of a root that issues no
	// more; describing (the agent) and acknowledging, that the trust of this node is another
	// now; describing that its address is, too.
	outdated                  chan time.Duration
	describing, acknowledging chan struct{}
	// moved is closed when config.Advertise is another, and made anew; readdressed is told
	// (the agent) when addresses of this host have come or gone.
	moved       chan struct{}
	readdressed chan struct{}
	// roots are those to trust (PEM; nil until told), issuer is that which the certificate is
	// to be of (api.CARotation.Issuer), as the cluster told last; following says that the
	// database itself tells, not a session.
	roots     []byte
	issuer    string
	following bool
	// left is api.Cluster.LeftBehind; nil until the database has told.
	left map[string]api.LeftBehind
	// quorate is when this process had a quorum last, marked when that was written.
	quorate, marked time.Time

	// mu guards what identity says of the role, of managers and of trust, called, the
	// credentials' files, keys, wrap, issuer, following, left, quorate, marked, moved and,
	// once the node serves, config.Advertise.
	mu sync.Mutex
}

func (n *process) run(ctx context.Context) error {
	stopNotifying := notify(ctx, n.log)
	defer stopNotifying()
	if err := n.identify(); err != nil {
		return err
	}
	if err := n.listenUnix(); err != nil {
		return err
	}
	if err := n.open(ctx); err != nil {
		return unlessDone(ctx, err)
	}
	if err := n.checkRuntime(); err != nil {
		return err
	}
	if err := n.listenTCP(); err != nil {
		return err
	}
	if n.identity == nil {
		if err := n.become(ctx); err != nil {
			return unlessDone(ctx, err)
		}
	}
	if n.new != nil {
		if err := n.openDatabase(ctx, nil); err != nil {
			return errors.Join(unlessDone(ctx, err), n.database.close())
		}
	}
	return n.serve(ctx)
}

// identify reads who the node is, if it is one, and refuses what does not fit.
func (n *process) identify() error {
	id, err := n.dir.load()
	if err != nil || id == nil {
		if err == nil && !n.config.Bootstrap && len(n.config.Join) == 0 {
			hint := "--join ADDRESS --token TOKEN enters a cluster"
			if n.config.Role == api.RoleManager {
				hint = "--bootstrap makes a new cluster, --join ADDRESS --token TOKEN enters one"
			}
			return api.Invalidf("%s holds no node yet: %s", n.dir.path, hint)
		}
		return err
	}
	n.identity = id
	return n.ofThisCluster()
}

// open reads what a node has of keys and certificates.
func (n *process) open(ctx context.Context) error {
	if n.identity == nil {
		return nil
	}
	if err := n.openKeys(ctx); err != nil {
		return err
	}
	var err error
	if n.credentials, err = n.dir.credentials(n.keys); err != nil {
		return err
	}
	if peer := n.credentials.Peer(); peer.ID != n.identity.ID || peer.Cluster != n.identity.Cluster {
		return api.Invalidf("%s is damaged: its certificate is another node's", n.dir.path)
	}
	// Which command started it says nothing of a node whose role was changed since;
	// the certificate does.
	n.identity.Role = api.Role(n.credentials.Peer().Role)
	return n.credentials.Check(now())
}

// ofThisCluster refuses a token of another cluster than the node's: it is not
// what the operator means to do.
func (n *process) ofThisCluster() error {
	if n.config.Token == "" {
		return nil
	}
	token, err := api.ParseToken(n.config.Token)
	if err != nil {
		return err
	}
	roots, err := n.dir.roots()
	if err != nil {
		return err
	}
	if slices.Contains(n.identity.Former, token.Digest) {
		return nil
	}
	if _, err := ca.CheckRoots(roots, token.Digest); err != nil {
		return api.Conflictf("%s belongs to another cluster than the token: choose another --data-dir, or empty this one to leave its cluster", n.dir.path)
	}
	return nil
}

// listenTCP and listenUnix open what the node is asked at, before it becomes one.
func (n *process) listenTCP() (err error) {
	if n.manages() {
		n.tcp, err = server.Listen(n.config.Listen)
	}
	return err
}

func (n *process) listenUnix() (err error) {
	n.unix, err = server.ListenUnix(n.dir.file("orc.sock"))
	return err
}

func (n *process) become(ctx context.Context) error {
	if n.config.Bootstrap {
		return n.found()
	}
	return n.join(ctx)
}

// serve runs the node's parts until ctx ends or one of them fails. The agent
// begins at once, whether a manager is there or not, and ends last: until then it
// is connected to another manager.
func (n *process) serve(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	lasting, end := context.WithCancel(context.WithoutCancel(ctx))
	runs := n.runsContainers()
	group.Go(func() error {
		defer end()
		return n.serveToTheEnd(ctx, runs)
	})
	if runs {
		group.Go(func() error { return n.serveAgent(lasting) })
	}
	group.Go(func() error { return n.renewLoop(ctx) })
	group.Go(func() error { return n.watchLock(ctx) })
	group.Go(func() error { return n.watchAddress(ctx) })
	ready(n.log)
	address, _ := n.advertised()
	n.log.Info("orc is running", zap.String("node", n.identity.ID), zap.String("role", string(n.role())),
		zap.String("name", n.config.Name), zap.String("address", address))
	err := group.Wait()
	stopping(n.log)
	return unlessDone(ctx, err)
}

// serveToTheEnd is serveRole. A manager that was removed runs nothing any more for its
// cluster, which gives the addresses of its containers to others: its process ends when
// they have stopped, for nobody else would stop them.
func (n *process) serveToTheEnd(ctx context.Context, containers bool) error {
	err := n.serveRole(ctx)
	if !containers || api.ReasonOf(err) != api.ReasonRemoved {
		return err
	}
	n.log.Error("this manager ends when its containers have stopped", zap.Error(err))
	select {
	case worker := <-n.agent:
		if err := worker.Leave(ctx); err != nil {
			n.log.Warn("this manager ends before its containers have stopped: they are stopped when it starts again", zap.Error(err))
		}
	case <-ctx.Done():
	}
	return err
}

// close ends what run opened.
func (n *process) close() error {
	defer n.lingering.Wait()
	var errs []error
	for _, each := range []net.Listener{n.tcp, n.unix} {
		if each != nil {
			if err := each.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
				errs = append(errs, err)
			}
		}
	}
	if err := os.Remove(n.dir.file("orc.sock")); err != nil && !errors.Is(err, os.ErrNotExist) {
		errs = append(errs, err)
	}
	if id, err := n.dir.load(); err == nil && id == nil {
		errs = append(errs, n.clear()) // it did not become a node
	}
	return errors.Join(errs...)
}

func (n *process) runsContainers() bool { return !n.manages() || !n.config.NoAgent }

// unlessDone is nil when ctx ended the work: that is how it is meant to end.
func unlessDone(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) && ctx.Err() != nil {
		return nil
	}
	return err
}
