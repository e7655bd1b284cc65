// A central system with ocpp-go that answers charge points, to be measured beside the gateway.
//
// It does the least that a central system can do: it takes every charge point, answers heartbeats
// with the time, and takes meter values without looking at them. `ocpp_go HOST:PORT`.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	ocpp16 "github.com/lorenzodonini/ocpp-go/ocpp1.6"
	"github.com/lorenzodonini/ocpp-go/ocpp1.6/core"
	"github.com/lorenzodonini/ocpp-go/ocpp1.6/types"
)

type handler struct{}

func (handler) OnAuthorize(string, *core.AuthorizeRequest) (*core.AuthorizeConfirmation, error) {
	return core.NewAuthorizationConfirmation(types.NewIdTagInfo(types.AuthorizationStatusAccepted)), nil
}

func (handler) OnBootNotification(string, *core.BootNotificationRequest) (*core.BootNotificationConfirmation, error) {
	return core.NewBootNotificationConfirmation(types.NewDateTime(time.Now()), 300, core.RegistrationStatusAccepted), nil
}

func (handler) OnDataTransfer(string, *core.DataTransferRequest) (*core.DataTransferConfirmation, error) {
	return core.NewDataTransferConfirmation(core.DataTransferStatusUnknownVendorId), nil
}

func (handler) OnHeartbeat(string, *core.HeartbeatRequest) (*core.HeartbeatConfirmation, error) {
	return core.NewHeartbeatConfirmation(types.NewDateTime(time.Now())), nil
}

func (handler) OnMeterValues(string, *core.MeterValuesRequest) (*core.MeterValuesConfirmation, error) {
	return core.NewMeterValuesConfirmation(), nil
}

func (handler) OnStatusNotification(string, *core.StatusNotificationRequest) (*core.StatusNotificationConfirmation, error) {
	return core.NewStatusNotificationConfirmation(), nil
}

func (handler) OnStartTransaction(string, *core.StartTransactionRequest) (*core.StartTransactionConfirmation, error) {
	return core.NewStartTransactionConfirmation(types.NewIdTagInfo(types.AuthorizationStatusAccepted), 1), nil
}

func (handler) OnStopTransaction(string, *core.StopTransactionRequest) (*core.StopTransactionConfirmation, error) {
	return core.NewStopTransactionConfirmation(), nil
}

func main() {
	_, text, _ := strings.Cut(os.Args[1], ":")
	port, err := strconv.Atoi(text)
	if err != nil {
		fmt.Fprintln(os.Stderr, "ocpp_go HOST:PORT")
		os.Exit(2)
	}
	system := ocpp16.NewCentralSystem(nil, nil)
	system.SetCoreHandler(handler{})
	fmt.Println("ready ocpp-go")
	system.Start(port, "/ocpp/{ws}")
}
