package embedded

import (
	"encoding/json"
	"fmt"
)

// stateFile is the content of the state file, in JSON: what exists, with the numbers that clients
// have seen, and the order in which free numbers are given again. Passwords and tokens are hashes.
type stateFile struct {
	Version       int           `json:"version"`
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

const stateVersion = 1

func (s *Server) encodeState() ([]byte, error) {
	f := stateFile{Version: stateVersion}
	s.catalog.mu.RLock()
	f.NextPartition = s.store.lastUID
	f.FreeStreams = append(f.FreeStreams, s.catalog.streams.free...)
	s.catalog.streams.each(func(_ uint32, st *stream) { f.Streams = append(f.Streams, st.state()) })
	s.catalog.mu.RUnlock()
	s.users.mu.RLock()
	f.FreeUsers = append(f.FreeUsers, s.users.byID.free...)
	s.users.byID.each(func(_ uint32, u *user) { f.Users = append(f.Users, u.state()) })
	s.users.mu.RUnlock()
	return json.MarshalIndent(f, "", " ")
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

// loadState reads the state and then every partition. It writes a first state to a new directory.
func (s *Server) loadState() error {
	b, err := s.store.readState()
	if err != nil {
		return fmt.Errorf("embedded: state: %w", err)
	}
	if b == nil {
		return s.saveState()
	}
	var f stateFile
	if err := json.Unmarshal(b, &f); err != nil {
		return fmt.Errorf("embedded: state: %w", err)
	}
	if f.Version != stateVersion {
		return fmt.Errorf("embedded: state has version %d, not %d", f.Version, stateVersion)
	}
	if err := s.restore(&f); err != nil {
		return err
	}
	known := map[uint64]bool{}
	var all []*partition
	s.catalog.eachTopic(func(t *topic) {
		for _, p := range t.partitions {
			known[p.files.uid] = true
			all = append(all, p)
		}
	})
	if err := s.store.deleteUnknown(known); err != nil {
		return fmt.Errorf("embedded: directory: %w", err)
	}
	for _, p := range all {
		if err := p.load(); err != nil {
			return err
		}
	}
	return nil
}

func (s *Server) restore(f *stateFile) error {
	s.store.lastUID = f.NextPartition
	s.catalog = newCatalog()
	for _, ss := range f.Streams {
		st := &stream{id: ss.ID, name: ss.Name, created: ss.Created, topicsByName: map[string]*topic{}}
		if !s.catalog.streams.insertAt(ss.ID, st) {
			return fmt.Errorf("embedded: state: stream number %d is wrong", ss.ID)
		}
		s.catalog.streamsByName[st.name] = st
		for _, ts := range ss.Topics {
			if err := s.restoreTopic(st, ts); err != nil {
				return err
			}
		}
		st.topics.setFree(ss.FreeTopics)
	}
	s.catalog.streams.setFree(f.FreeStreams)
	s.users = &users{byName: map[string]*user{}}
	for _, us := range f.Users {
		u := &user{id: us.ID, name: us.Name, created: us.Created, status: us.Status, tokens: map[string]token{}}
		copy(u.salt[:], us.Salt)
		copy(u.password[:], us.Password)
		if us.Permissions != nil {
			d := &decoder{buf: us.Permissions}
			if u.permissions = d.permissions(); d.status != StatusOK {
				return fmt.Errorf("embedded: state: permissions of user %s are wrong", us.Name)
			}
		}
		for _, t := range us.Tokens {
			tok := token{name: t.Name, expiry: t.Expiry}
			copy(tok.hash[:], t.Hash)
			u.tokens[t.Name] = tok
		}
		if !s.users.byID.insertAt(us.ID, u) {
			return fmt.Errorf("embedded: state: user number %d is wrong", us.ID)
		}
		s.users.byName[u.name] = u
	}
	s.users.byID.setFree(f.FreeUsers)
	return nil
}

func (s *Server) restoreTopic(st *stream, ts topicState) error {
	t := &topic{
		id: ts.ID, stream: st, name: ts.Name, created: ts.Created, expiry: ts.Expiry, compression: ts.Compression,
		maxSize: ts.MaxSize, replication: ts.Replication, groupsByName: map[string]*group{},
		requestedExpiry: ts.Expiry, requestedMaxSize: ts.MaxSize,
	}
	if !st.topics.insertAt(ts.ID, t) {
		return fmt.Errorf("embedded: state: topic number %d of %s is wrong", ts.ID, st.name)
	}
	st.topicsByName[t.name] = t
	for i, ps := range ts.Partitions {
		p := newPartition(uint32(i), ps.Created, s.opts.retention)
		p.files = s.store.newFiles(ps.UID)
		t.partitions = append(t.partitions, p)
	}
	for _, gs := range ts.Groups {
		g := &group{id: gs.ID, name: gs.Name, partitionCount: uint32(len(t.partitions))}
		if !t.groups.insertAt(gs.ID, g) {
			return fmt.Errorf("embedded: state: group number %d of %s is wrong", gs.ID, t.name)
		}
		t.groupsByName[g.name] = g
	}
	t.groups.setFree(ts.FreeGroups)
	return nil
}
