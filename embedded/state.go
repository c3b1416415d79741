package embedded

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/zeebo/xxh3"
	"go.uber.org/zap"
)

// stateFile is the content of the state file, in JSON: what exists, with the numbers that clients
// have seen, and the order in which free numbers are given again. Passwords and tokens are hashes.
type stateFile struct {
	Version int `json:"version"`
	// Checksum is the XXH3-64, in hexadecimal digits, of the file with zeros in its place.
	Checksum      string        `json:"checksum"`
	NextPartition uint64        `json:"next_partition"`
	Streams       []streamState `json:"streams"`
	FreeStreams   []uint32      `json:"free_streams,omitempty"`
	Users         []userState   `json:"users"`
	FreeUsers     []uint32      `json:"free_users,omitempty"`
}

type streamState struct {
	ID         uint32       `json:"id"`
	Name       string       `json:"name"`
	Created    uint64       `json:"created"`
	Topics     []topicState `json:"topics,omitempty"`
	FreeTopics []uint32     `json:"free_topics,omitempty"`
}

// topicState is a topic. Expiry and MaxSize are those of the request: on the real server, too, a
// topic that was created with the defaults shows no expiry and no limit until a restart, and 0
// after it.
type topicState struct {
	ID          uint32           `json:"id"`
	Name        string           `json:"name"`
	Created     uint64           `json:"created"`
	Expiry      uint64           `json:"expiry"`
	Compression uint8            `json:"compression"`
	MaxSize     uint64           `json:"max_size"`
	Replication uint8            `json:"replication"`
	Partitions  []partitionState `json:"partitions,omitempty"`
	Groups      []groupState     `json:"groups,omitempty"`
	FreeGroups  []uint32         `json:"free_groups,omitempty"`
}

type partitionState struct {
	UID     uint64 `json:"uid"`
	Created uint64 `json:"created"`
}

type groupState struct {
	ID   uint32 `json:"id"`
	Name string `json:"name"`
}

type userState struct {
	ID       uint32 `json:"id"`
	Name     string `json:"name"`
	Created  uint64 `json:"created"`
	Status   uint8  `json:"status"`
	Salt     []byte `json:"salt"`
	Password []byte `json:"password"`
	// Permissions are encoded as on the wire.
	Permissions []byte       `json:"permissions,omitempty"`
	Tokens      []tokenState `json:"tokens,omitempty"`
}

type tokenState struct {
	Name   string `json:"name"`
	Hash   []byte `json:"hash"`
	Expiry uint64 `json:"expiry,omitempty"`
}

const (
	stateName     = "state.json"
	stateCopyName = "state.copy.json"
	stateVersion  = 2
	noChecksum    = "0000000000000000"
)

var errStateDamaged = errors.New("damaged")

func (s *Server) encodeState() ([]byte, error) {
	f := stateFile{Version: stateVersion, Checksum: noChecksum}
	s.catalog.mu.RLock()
	f.NextPartition = s.store.lastUID
	f.FreeStreams = append(f.FreeStreams, s.catalog.streams.free...)
	s.catalog.streams.each(func(_ uint32, st *stream) { f.Streams = append(f.Streams, st.state()) })
	s.catalog.mu.RUnlock()
	s.users.mu.RLock()
	f.FreeUsers = append(f.FreeUsers, s.users.byID.free...)
	s.users.byID.each(func(_ uint32, u *user) { f.Users = append(f.Users, u.state()) })
	s.users.mu.RUnlock()
	b, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return nil, err
	}
	return bytes.Replace(b, []byte(noChecksum), []byte(stateChecksum(b)), 1), nil
}

func stateChecksum(b []byte) string { return fmt.Sprintf("%016x", xxh3.Hash(b)) }

// decodeState returns errStateDamaged for a file that is not what encodeState has written, and
// another error for one of another version.
func decodeState(b []byte) (*stateFile, error) {
	var f stateFile
	if err := json.Unmarshal(b, &f); err != nil {
		return nil, fmt.Errorf("%w: %w", errStateDamaged, err)
	}
	// Version 1 had no checksum.
	if f.Version != 1 || f.Checksum != "" {
		if len(f.Checksum) != len(noChecksum) ||
			stateChecksum(bytes.Replace(b, []byte(f.Checksum), []byte(noChecksum), 1)) != f.Checksum {
			return nil, fmt.Errorf("%w: wrong checksum", errStateDamaged)
		}
	}
	if f.Version != stateVersion {
		return nil, fmt.Errorf("embedded: state has version %d, not %d", f.Version, stateVersion)
	}
	return &f, nil
}

// saveState writes the state to the directory, if there is one.
func (s *Server) saveState() error {
	if s.store == nil {
		return nil
	}
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	b, err := s.encodeState()
	if err != nil {
		return err
	}
	if err := s.store.replaceFile(stateName, b, s.store.fsync); err != nil {
		return err
	}
	return s.store.replaceFile(stateCopyName, b, s.store.fsync)
}

func (s *stream) state() streamState {
	st := streamState{ID: s.id, Name: s.name, Created: s.created, FreeTopics: append([]uint32(nil), s.topics.free...)}
	s.topics.each(func(_ uint32, t *topic) {
		ts := topicState{
			ID: t.id, Name: t.name, Created: t.created, Expiry: t.requestedExpiry, Compression: t.compression, MaxSize: t.requestedMaxSize,
			Replication: t.replication, FreeGroups: append([]uint32(nil), t.groups.free...),
		}
		for _, p := range t.partitions {
			ts.Partitions = append(ts.Partitions, partitionState{UID: p.files.uid, Created: p.created})
		}
		t.groups.each(func(_ uint32, g *group) { ts.Groups = append(ts.Groups, groupState{ID: g.id, Name: g.name}) })
		st.Topics = append(st.Topics, ts)
	})
	return st
}

func (u *user) state() userState {
	us := userState{
		ID: u.id, Name: u.name, Created: u.created, Status: u.status,
		Salt: append([]byte(nil), u.salt[:]...), Password: append([]byte(nil), u.password[:]...),
	}
	if u.permissions != nil {
		us.Permissions = appendPermissions(nil, u.permissions)
	}
	for _, t := range u.tokens {
		us.Tokens = append(us.Tokens, tokenState{Name: t.name, Hash: append([]byte(nil), t.hash[:]...), Expiry: t.expiry})
	}
	return us
}

// loadState reads the state and then every partition. It writes a first state to a new directory,
// and another one when a file of the state was damaged or missing.
func (s *Server) loadState() error {
	intact, err := s.restoreFromFiles()
	if err != nil {
		return err
	}
	if !intact {
		if err := s.saveState(); err != nil {
			return fmt.Errorf("embedded: state: %w", err)
		}
	}
	if _, st := s.users.authenticate(nameIdentifier(s.opts.username), s.opts.password); st != StatusOK {
		s.log.Warn("these credentials do not apply, but those that the directory has stored", zap.String("user", s.opts.username))
	}
	known := map[uint64]bool{}
	var all []*partition
	s.catalog.eachTopic(func(t *topic) {
		for _, p := range t.partitions {
			known[p.files.uid] = true
			all = append(all, p)
		}
	})
	found, err := s.store.findFiles(known)
	if err != nil {
		return fmt.Errorf("embedded: directory: %w", err)
	}
	for _, p := range all {
		if err := p.load(found[p.files.uid]); err != nil {
			return fmt.Errorf("embedded: directory: %w", err)
		}
	}
	return nil
}

// restoreFromFiles reads the state from its file or, when that is damaged, from the copy. What is
// damaged is set aside. It reports whether both files are there and intact.
func (s *Server) restoreFromFiles() (intact bool, err error) {
	restored, damaged := "", map[string]error{}
	var content []byte
	intact = true
	for _, name := range []string{stateName, stateCopyName} {
		if err := s.store.requireRegular(name, maxStateFile); err != nil {
			return false, fmt.Errorf("embedded: state: %w", err)
		}
		b, err := s.store.root.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			intact = false
			continue
		}
		if err != nil {
			return false, fmt.Errorf("embedded: state: %w", err)
		}
		f, err := decodeState(b)
		if err == nil && restored == "" {
			if err = s.restore(f); err == nil {
				restored, content = name, b
			}
		}
		if errors.Is(err, errStateDamaged) {
			damaged[name] = err
		} else if err != nil {
			return false, err
		}
		// The two differ after a crash between their writes.
		intact = intact && bytes.Equal(b, content)
	}
	for name, cause := range damaged {
		aside, err := s.store.setAside(name)
		if err != nil {
			return false, fmt.Errorf("embedded: state: %w", err)
		}
		s.log.Error("damaged state set aside", zap.String("file", s.store.path(name)),
			zap.String("set_aside", s.store.path(aside)), zap.String("read_from", restored), zap.Error(cause))
	}
	return intact, nil
}

// restore puts a state into memory, or returns errStateDamaged and leaves everything as it was.
func (s *Server) restore(f *stateFile) error {
	cat, us, err := s.buildState(f)
	if err != nil {
		return fmt.Errorf("%w: %w", errStateDamaged, err)
	}
	s.catalog, s.users, s.store.lastUID = cat, us, f.NextPartition
	return nil
}

func (s *Server) buildState(f *stateFile) (*catalog, *users, error) {
	cat := newCatalog()
	for _, ss := range f.Streams {
		st := &stream{id: ss.ID, name: ss.Name, created: ss.Created, topicsByName: map[string]*topic{}}
		if !cat.streams.insertAt(ss.ID, st) {
			return nil, nil, fmt.Errorf("stream number %d is wrong", ss.ID)
		}
		cat.streamsByName[st.name] = st
		for _, ts := range ss.Topics {
			if err := s.restoreTopic(st, ts); err != nil {
				return nil, nil, err
			}
		}
		st.topics.setFree(ss.FreeTopics)
	}
	cat.streams.setFree(f.FreeStreams)
	all := &users{byName: map[string]*user{}}
	for _, us := range f.Users {
		u := &user{id: us.ID, name: us.Name, created: us.Created, status: us.Status, tokens: map[string]token{}}
		copy(u.salt[:], us.Salt)
		copy(u.password[:], us.Password)
		if us.Permissions != nil {
			d := &decoder{buf: us.Permissions}
			if u.permissions = d.permissions(); d.status != StatusOK {
				return nil, nil, fmt.Errorf("permissions of user %s are wrong", us.Name)
			}
		}
		for _, t := range us.Tokens {
			tok := token{name: t.Name, expiry: t.Expiry}
			copy(tok.hash[:], t.Hash)
			u.tokens[t.Name] = tok
		}
		if !all.byID.insertAt(us.ID, u) {
			return nil, nil, fmt.Errorf("user number %d is wrong", us.ID)
		}
		all.byName[u.name] = u
	}
	all.byID.setFree(f.FreeUsers)
	return cat, all, nil
}

func (s *Server) restoreTopic(st *stream, ts topicState) error {
	t := &topic{
		id: ts.ID, stream: st, name: ts.Name, created: ts.Created, expiry: ts.Expiry, compression: ts.Compression,
		maxSize: ts.MaxSize, replication: ts.Replication, groupsByName: map[string]*group{},
		requestedExpiry: ts.Expiry, requestedMaxSize: ts.MaxSize,
	}
	if !st.topics.insertAt(ts.ID, t) {
		return fmt.Errorf("topic number %d of %s is wrong", ts.ID, st.name)
	}
	st.topicsByName[t.name] = t
	for i, ps := range ts.Partitions {
		p := newPartition(uint32(i), ps.Created, &s.opts)
		p.files = s.store.newFiles(ps.UID)
		t.partitions = append(t.partitions, p)
	}
	for _, gs := range ts.Groups {
		g := &group{id: gs.ID, name: gs.Name, partitionCount: uint32(len(t.partitions))}
		if !t.groups.insertAt(gs.ID, g) {
			return fmt.Errorf("group number %d of %s is wrong", gs.ID, t.name)
		}
		t.groupsByName[g.name] = g
	}
	t.groups.setFree(ts.FreeGroups)
	return nil
}
