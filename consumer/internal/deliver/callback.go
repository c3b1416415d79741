package deliver

import (
	"github.com/fetchbox/fetchbox-iggy/iggyerr"
	"github.com/fetchbox/fetchbox-iggy/internal/callback"
)

// errExited is the failure of code of the application that ended its goroutine.
var errExited = &iggyerr.PanicError{Value: callback.ErrGoexit}
