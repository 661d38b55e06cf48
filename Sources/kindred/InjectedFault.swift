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

  /// Called on a rank's Nth question whether to stop.
  static func signalIfAsked(poll: Int, on comm: Communicator) {
    let parts = (ProcessInfo.processInfo.environment["KINDRED_FAULT"] ?? "").split(separator: ":")
    guard parts.count == 3, parts[0] == "\(comm.rank)", parts[2] == "\(poll)" else { return }
    switch parts[1] {
    case "USR1": raise(SIGUSR1)
    case "TERM": raise(SIGTERM)
    case "KILL": raise(SIGKILL)
    default: break
    }
  }
}
