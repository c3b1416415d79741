package embedded_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/fetchbox/fetchbox-iggy/embedded"
)

// FuzzCommands sends a well-formed frame with an arbitrary body to a server that has a topic, a
// group and a user, to reach the decoder and the effect of every command.
func FuzzCommands(f *testing.F) {
	for _, x := range seeds(f) {
		f.Add(uint32(x.Code), []byte(x.Request))
	}
	st, tp := ident("sem"), ident("t")
	f.Add(uint32(embedded.PurgeStream), st)
	f.Add(uint32(embedded.PurgeTopic), join(st, tp))
	f.Add(uint32(embedded.DeleteSegments), join(st, tp, u32(0), u32(1)))
	f.Add(uint32(embedded.FlushUnsavedBuffer), join(st, tp, u32(0), []byte{1}))
	f.Add(uint32(embedded.GetSnapshot), []byte{1, 1, 100})
	f.Add(uint32(embedded.GetStats), []byte{})
	f.Add(uint32(embedded.GetUsers), []byte{})
	f.Add(uint32(embedded.GetUser), number(0))
	f.Add(uint32(embedded.GetMe), []byte{})
	f.Add(uint32(embedded.UpdateUser), join(ident("worker"), []byte{1}, name("other"), []byte{1, 1}))
	f.Add(uint32(embedded.UpdatePermissions), join(ident("worker"), []byte{1}, u32(11), make([]byte, 11)))
	f.Add(uint32(embedded.ChangePassword), join(ident("worker"), name("secret-pass"), name("other")))
	setup := join(
		frame(embedded.CreateStream, name("sem")),
		frame(embedded.CreateTopic, topicBody(st, 3, 1, 0, 0, 0, "t")),
		frame(embedded.CreateGroup, join(st, tp, name("g"))),
		frame(embedded.JoinGroup, join(st, tp, ident("g"))),
		frame(embedded.SendMessages, sendBody(st, tp, toPartition(0), message(1, "payload", ""), message(2, "payload", "headers"))),
		frame(embedded.CreateUser, join(name("worker"), name("secret-pass"), []byte{1, 0})),
		frame(embedded.CreateToken, join(name("token"), u64(0))),
	)
	f.Fuzz(func(t *testing.T, code uint32, body []byte) {
		srv := embedded.NewOfflineServer()
		out := srv.Exchange(join(setup, frame(embedded.Command(code), body), frame(embedded.Ping, nil)), true)
		n := checkAnswers(t, out)
		if embedded.Command(code) != embedded.SendMessages {
			require.GreaterOrEqual(t, n, 8, "the request is answered")
		}
		require.NoError(t, srv.Invariants())
	})
}
