import Foundation
import MPI

/// A failure of one rank on purpose, to try what a job does then: `KINDRED_FAULT=RANK:PLACE` makes that
/// rank throw when `average` comes to that place, while the other ranks go on and wait for it.
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
}
