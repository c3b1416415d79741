package fxiggy

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"

	"go.uber.org/fx"

	"github.com/fetchbox/fetchbox-iggy/consumer"
	"github.com/fetchbox/fetchbox-iggy/producer"
)

// ConsumerMiddleware provides middleware for every consumer of T that has a handler, wherever in the
// application it is listed; see consumer.Consumer.Use. The middleware with the lowest order is the
// outermost one. Two of one consumer with the same order are an error. Middleware that the
// application adds by Use is inside of all of them.
//
// middleware is a consumer.Middleware[T], or a constructor whose parameters Fx provides and which
// returns one, alone or with an error:
//
//	fxiggy.ConsumerMiddleware[Order](10, consumer.RateLimit[Order](limiter)),
//	fxiggy.ConsumerMiddleware[Order](20, func(log *zap.Logger) consumer.Middleware[Order] {…})
func ConsumerMiddleware[T any](order int, middleware any) fx.Option {
	return provideMiddleware[consumer.Middleware[T]](order, middleware)
}

// ProducerMiddleware provides middleware for every producer of the application, of all clusters; see
// producer.Use. order and middleware, here a producer.Middleware, are as for ConsumerMiddleware. The
// middleware of options (With) is inside of all of these.
func ProducerMiddleware(order int, middleware any) fx.Option {
	return provideMiddleware[producer.Middleware](order, middleware)
}

// orderedMiddleware is a value of the group of middleware, which Fx shuffles.
type orderedMiddleware[M any] struct {
	order      int
	middleware M
}

const middlewareGroup = `group:"iggy.middleware"`

func provideMiddleware[M any](order int, middleware any) fx.Option {
	// A function literal has no name for its type.
	if v := reflect.ValueOf(middleware); v.IsValid() && v.CanConvert(reflect.TypeFor[M]()) {
		m := v.Convert(reflect.TypeFor[M]()).Interface().(M)
		middleware = func() M { return m }
	}
	name := tag(fmt.Sprintf("iggy.middleware.%d", declarationCount.Add(1)))
	return fx.Provide(
		fx.Annotate(middleware, fx.ResultTags(name)),
		fx.Annotate(func(m M) orderedMiddleware[M] { return orderedMiddleware[M]{order, m} }, fx.ParamTags(name), fx.ResultTags(middlewareGroup)),
	)
}

// inOrder returns the middleware of a component, the outermost one first.
func inOrder[M any](component string, group []orderedMiddleware[M]) ([]M, error) {
	group = slices.SortedFunc(slices.Values(group), func(a, b orderedMiddleware[M]) int { return cmp.Compare(a.order, b.order) })
	all := make([]M, len(group))
	for i, m := range group {
		if i > 0 && group[i-1].order == m.order {
			return nil, fmt.Errorf("fxiggy: %s has two middlewares with the order %d", component, m.order)
		}
		all[i] = m.middleware
	}
	return all, nil
}
