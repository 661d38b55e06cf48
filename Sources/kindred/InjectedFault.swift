import Foundation
import MPI

/// A failure of one rank on purpose, to try what a job does then: `KINDRED_FAULT=RANK:PLACE` makes that
/// rank throw when `average` comes to that place, while the other ranks go on and wait for it;
/// `KINDRED_FAULT=RANK:USR1:N`, `TERM` or `KILL` sends it that signal when it asks for the Nth time whether it
/// should stop.
struct InjectedFault: Error, CustomStringConvertible {
  enum Place: String {
    /// Before the images are read.
    case model
    /// Between the neighbours and the averages.
    case averages
  }

  let place: Place
  var description: String { "a fault at \(place.rawValue), as KINDRED_FAULT asks" }

  static func throwIfAsked(at place: Place, on comm: Communicator) throws {
    if ProcessInfo.processInfo.environment["KINDRED_FAULT"] == "\(comm.rank):\(place.rawValue)" {
      throw InjectedFault(place: place)
    }
  }

  /// Sends this rank a signal when it asks `stop` for the Nth time, if that is what is asked for.
  static func signalIfAsked(by stop: StopRequest, on comm: Communicator) {
    let parts = (ProcessInfo.processInfo.environment["KINDRED_FAULT"] ?? "").split(separator: ":")
    guard parts.count == 3, parts[0] == "\(comm.rank)", let poll = Int(parts[2]),
      let signal = ["USR1": SIGUSR1, "TERM": SIGTERM, "KILL": SIGKILL][parts[1]]
    else { return }
    stop.whenPolled = { if $0 == poll { raise(signal) } }
  }
}
