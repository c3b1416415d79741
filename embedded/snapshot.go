package embedded

import (
	"archive/zip"
	"bytes"
	"fmt"
	"slices"
)

// snapshotParts are the kinds of parts of a snapshot. The names are those of the files.
var snapshotParts = map[uint8]string{
	1: "filesystem_overview", 2: "process_list", 3: "resource_usage", 4: "test", 5: "server_logs", 6: "server_config",
}

// snapshotAll is the kind that stands for all of them.
const snapshotAll = 100

type snapshotRequest struct {
	compression uint8
	kinds       []uint8
}

// snapshotRequest reads `[u8 compression][u8 n][n × u8 kind]`.
func (d *decoder) snapshotRequest() snapshotRequest {
	r := snapshotRequest{compression: d.u8(), kinds: slices.Clone(d.bytes(int(d.u8())))}
	if r.compression < 1 || r.compression > 6 {
		d.reject(StatusInvalidCommand)
	}
	for _, k := range r.kinds {
		if _, ok := snapshotParts[k]; !ok && k != snapshotAll || k == snapshotAll && len(r.kinds) > 1 {
			d.reject(StatusInvalidCommand)
		}
	}
	return r
}

// getSnapshot answers a ZIP archive with a text for each kind. The real server writes the output of
// system tools there. Here each part has one line that names it. Compression 1 is none, 2 is
// deflate. Go's library has none of the real server's others (3 to 6), which are answered with
// StatusSnapshotFailed.
func (c *conn) getSnapshot(r snapshotRequest) Status {
	if len(r.kinds) == 1 && r.kinds[0] == snapshotAll {
		r.kinds = []byte{1, 2, 3, 4, 5, 6}
	}
	method := zip.Store
	switch r.compression {
	case 1:
	case 2:
		method = zip.Deflate
	default:
		return StatusSnapshotFailed
	}
	var buf bytes.Buffer
	z := zip.NewWriter(&buf)
	for _, k := range r.kinds {
		w, err := z.CreateHeader(&zip.FileHeader{Name: snapshotParts[k] + ".txt", Method: method})
		if err != nil {
			return StatusSnapshotFailed
		}
		if _, err := fmt.Fprintf(w, "%s of an embedded server %s: nothing to report\n", snapshotParts[k], version); err != nil {
			return StatusSnapshotFailed
		}
	}
	if err := z.Close(); err != nil {
		return StatusSnapshotFailed
	}
	c.out = append(c.out, buf.Bytes()...)
	return StatusOK
}
