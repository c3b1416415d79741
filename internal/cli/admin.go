package cli

import (
	"github.com/fetchbox/fetchbox-iggy/admin"
	"github.com/fetchbox/fetchbox-iggy/config"
)

func (a *app) newAdmin(cluster config.Cluster) (*admin.Admin, error) {
	return admin.New(cluster.Iggy, admin.WithLogger(a.logger()))
}
