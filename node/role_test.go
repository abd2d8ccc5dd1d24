package node

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/zap"

	"github.com/orc-project/orc/api"
	"github.com/orc-project/orc/server/ca"
	"github.com/orc-project/orc/server/session"
	"github.com/orc-project/orc/store"
	"github.com/orc-project/orc/store/member"
	"github.com/orc-project/orc/store/member/membertest"
	"github.com/orc-project/orc/store/seal"
)

// changing is the node m1, whose role changes; another manager answers it with handler.
func changing(t *testing.T, handler func(b bystanders) http.HandlerFunc) *process {
	t.Helper()
	authority, err := ca.New("cluster1", time.Now())
	require.NoError(t, err)
	b := bystanders{t, authority}
	listen := membertest.FreeAddress(t)
	config := Config{
		Role: api.RoleManager, DataDir: t.TempDir(), Name: "m1", Listen: listen, Advertise: hostOf(listen), Join: []string{b.at(handler(b))},
	}
	require.NoError(t, config.Validate())
	dir, err := openDirectory(config.DataDir)
	require.NoError(t, err)
	t.Cleanup(func() { dir.close() })
	n := newProcess(config, dir, zap.NewNop())
	n.identity = &identity{Format: format, ID: "m1", Cluster: "cluster1", Role: api.RoleManager}
	certificate, key := b.issue("m1")
	n.credentials, err = ca.NewCredentials(certificate, key, authority.Roots())
	require.NoError(t, err)
	require.NoError(t, dir.saveCredentials(certificate, key, authority.Roots()))
	return n
}

// renewing answers with certificates of these roles, one after another, and then of the
// last.
func renewing(roles ...api.Role) func(bystanders) http.HandlerFunc {
	return func(b bystanders) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			var question api.RenewRequest
			if err := json.NewDecoder(r.Body).Decode(&question); err != nil {
				b.t.Error(err)
			}
			certificate, err := b.authority.SignNode(question.Request, "m1", roles[0], 0, time.Now())
			if err != nil {
				b.t.Error(err)
			}
			if len(roles) > 1 {
				roles = roles[1:]
			}
			_ = json.NewEncoder(w).Encode(api.RenewAnswer{Certificate: certificate, Roots: b.authority.Roots()})
		}
	}
}

func TestANodeThatWasDemotedAndPromotedAtOnceIsAManager(t *testing.T) {
	for name, roles := range map[string][]api.Role{
		"the others know": {api.RoleWorker, api.RoleManager},
		"the one that is asked first has not heard of it yet": {api.RoleWorker, api.RoleWorker, api.RoleManager},
	} {
		t.Run(name, func(t *testing.T) {
			n := changing(t, renewing(roles...))
			// Its session tells both before its database is gone.
			n.tellRole(api.RoleWorker)
			n.tellRole(api.RoleManager)
			require.ErrorIs(t, n.reconsider(t.Context()), errRoleChanged)
			require.False(t, n.manages())
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			require.ErrorIs(t, n.work(ctx), errRoleChanged)
			require.True(t, n.manages())
		})
	}
}

// unsure knows what the node was, and has no quorum.
func unsure(role api.Role) func(bystanders) http.HandlerFunc {
	return func(b bystanders) http.HandlerFunc {
		before := renewing(role)(b)
		return func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("sure") == "1" {
				session.Refuse(w, api.Errorf(api.CodeUnavailable, "no quorum"))
				return
			}
			before(w, r)
		}
	}
}

func TestAManagerWithoutAQuorumIsNotAskedWhatANodeIs(t *testing.T) {
	var second string
	n := changing(t, func(b bystanders) http.HandlerFunc {
		second = b.at(renewing(api.RoleManager)(b))
		return unsure(api.RoleWorker)(b)
	})
	n.config.Join = append(n.config.Join, second)
	becomes(t, n, working(t, n))
}

func TestAVoterThatTheOthersNeedDoesNotWaitUntilTheyAreSure(t *testing.T) {
	n := changing(t, unsure(api.RoleManager))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	require.ErrorIs(t, n.unlessOut(ctx, errDemoted), errRoleChanged)
	require.True(t, n.manages())
}

// working plays the part of a worker that is told that it is a manager, and returns a
// channel with how it ended.
func working(t *testing.T, n *process) <-chan error {
	t.Helper()
	n.identity.Role = api.RoleWorker
	n.tellRole(api.RoleManager)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	var running sync.WaitGroup
	running.Go(func() { ended <- n.work(ctx) })
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return ended
}

// stays checks that the part goes on for longer than a first attempt takes.
func stays(t *testing.T, n *process, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		t.Fatalf("the node's part ended: %v", err)
	case <-time.After(firstRetry + firstRetry/2):
	}
	require.False(t, n.manages())
}

// becomes checks that the node becomes a manager.
func becomes(t *testing.T, n *process, ended <-chan error) {
	t.Helper()
	select {
	case err := <-ended:
		require.ErrorIs(t, err, errRoleChanged)
	case <-time.After(patience):
		t.Fatal("it goes on as a worker")
	}
	require.True(t, n.manages())
}

func TestAWorkerWhosePortsAreTakenGoesOnUntilItMayManage(t *testing.T) {
	for name, port := range map[string]func(n *process) string{
		"the API's":           func(n *process) string { return n.config.Listen },
		"the other managers'": func(n *process) string { peers, _, _ := n.peerAddresses(); return peers },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := changing(t, renewing(api.RoleManager))
			taken, err := net.Listen("tcp", port(n))
			require.NoError(t, err)
			ended := working(t, n)
			stays(t, n, ended)
			require.NoError(t, taken.Close())
			becomes(t, n, ended)
		})
	}
}

func TestAWorkerWhoseDiskIsFullGoesOnUntilItMayManage(t *testing.T) {
	for _, name := range []string{"node.pem", "node.json"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n := changing(t, renewing(api.RoleManager))
			inTheWay := n.dir.file("." + name + ".new")
			require.NoError(t, os.Mkdir(inTheWay, 0o700)) // the file cannot be written
			ended := working(t, n)
			stays(t, n, ended)
			require.NoError(t, os.Remove(inTheWay))
			becomes(t, n, ended)
		})
	}
}

func TestOnlyWhatAPersonMustMendEndsAManagerThatEnters(t *testing.T) {
	conflict := api.Conflictf("the address 10.0.0.1:6721 is that of the manager m2")
	for name, c := range map[string]struct {
		answers []error // of the other manager
		is      error
		says    string
	}{
		"the node was removed":         {answers: []error{session.Removed()}, says: "removed from the cluster"},
		"the address is another's":     {answers: []error{conflict, session.Removed()}, says: "removed from the cluster"},
		"a manager that ended its own": {answers: []error{errors.New("context canceled"), session.Removed()}, says: "removed from the cluster"},
		"a quorum that is at stake":    {answers: []error{api.Errorf(api.CodeUnavailable, "2 are needed"), session.Removed()}, says: "removed from the cluster"},
		"no manager any more":          {answers: []error{api.Errorf(api.CodeForbidden, "no manager")}, is: store.ErrRemoved},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			answers := c.answers
			n := changing(t, func(bystanders) http.HandlerFunc {
				return func(w http.ResponseWriter, r *http.Request) {
					if r.URL.Path != "/v1/members" {
						session.Refuse(w, session.Removed())
						return
					}
					session.Refuse(w, answers[0])
					answers = answers[1:]
				}
			})
			err := n.joinDatabase(t.Context())
			require.ErrorContains(t, err, c.says)
			if c.is != nil {
				require.ErrorIs(t, err, c.is)
			}
			require.Empty(t, answers)
		})
	}
}

func TestAManagerThatIsCalledAWorkerKeepsItsDatabaseUnlessItIsOne(t *testing.T) {
	for name, c := range map[string]struct {
		role api.Role
		ends error
		kept bool
	}{
		"a voter that others wait for":   {api.RoleManager, errDemoted, true},
		"one whose database was removed": {api.RoleManager, store.ErrRemoved, false},
		"a worker":                       {api.RoleWorker, errDemoted, false},
	} {
		t.Run(name, func(t *testing.T) {
			n := changing(t, renewing(c.role))
			db := n.dir.file("db")
			require.NoError(t, os.Mkdir(db, 0o700))
			require.ErrorIs(t, n.unlessOut(t.Context(), c.ends), errRoleChanged)
			require.Equal(t, c.role, n.role())
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if !n.manages() {
				require.ErrorIs(t, n.work(ctx), context.Canceled)
			}
			require.Equal(t, c.kept, exists(db))
		})
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// A database without its keys keeps a manager from starting: whenever it is killed while it
// forgets both, the next one finds the keys, or no database.
func TestADatabaseIsNeverLeftWithoutItsKeys(t *testing.T) {
	for _, stuck := range []string{"ring", "ring.key"} {
		t.Run(stuck, func(t *testing.T) {
			n := changing(t, renewing(api.RoleWorker))
			require.NoError(t, n.saveRing(seal.NewRing()))
			log := n.dir.file("db/etcd/member/wal/0.wal")
			require.NoError(t, os.MkdirAll(filepath.Dir(log), 0o700))
			require.NoError(t, os.WriteFile(log, nil, 0o600))
			require.True(t, member.Exists(n.dir.file("db")))

			require.NoError(t, os.Remove(n.dir.file(stuck)))
			require.NoError(t, os.MkdirAll(n.dir.file(stuck+"/not empty"), 0o700)) // so it cannot be removed
			require.Error(t, n.forgetDatabase())
			require.False(t, member.Exists(n.dir.file("db")))

			require.NoError(t, os.RemoveAll(n.dir.file(stuck)))
			require.NoError(t, n.forgetDatabase(), "it goes on where it was interrupted")
			for _, name := range []string{"db", ".db.gone", "ring", "ring.key"} {
				require.NoFileExists(t, n.dir.file(name))
				require.NoDirExists(t, n.dir.file(name))
			}
		})
	}
}

func TestWhatIsLeftOfADatabaseIsRemovedByTheNextAttemptToBecomeANode(t *testing.T) {
	n := changing(t, renewing(api.RoleWorker))
	require.NoError(t, os.MkdirAll(n.dir.file(".db.gone"), 0o700))
	require.NoError(t, n.clear())
	require.NoDirExists(t, n.dir.file(".db.gone"))
}

// One that is cut off does not know that the node is a manager; others do.
func TestAManagerEntersByOneThatKnowsIt(t *testing.T) {
	stranger := func(w http.ResponseWriter, _ *http.Request) {
		session.Refuse(w, api.Errorf(api.CodeForbidden, "this is for other managers"))
	}
	var knows string
	n := changing(t, func(b bystanders) http.HandlerFunc {
		knows = b.at(func(w http.ResponseWriter, _ *http.Request) {
			ring, err := seal.NewRing().Marshal()
			if err != nil {
				b.t.Error(err)
			}
			_ = json.NewEncoder(w).Encode(api.MemberAnswer{Peers: map[string]string{"m1": "10.0.0.1:6721"}, Ring: ring})
		})
		return stranger
	})
	_, err := n.enter(t.Context())
	require.Equal(t, api.CodeForbidden, api.CodeOf(err), "nobody else is known")
	n.config.Join = append(n.config.Join, knows)
	peers, err := n.enter(t.Context())
	require.NoError(t, err)
	require.Equal(t, map[string]string{"m1": "10.0.0.1:6721"}, peers)
}
