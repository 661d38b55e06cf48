import Foundation
import MPI
import Report

/// What the user is told where a run does not get on, and when.
enum StallWarning {
  /// The seconds that `KINDRED_WATCHDOG` asks for; nil for no watchdog, which is 0.
  /// - Throws: `CommandError` where it is not a number from 0.
  static func seconds(
    environment: [String: String] = ProcessInfo.processInfo.environment
  ) throws -> Double? {
    guard let text = environment["KINDRED_WATCHDOG"] else { return Watchdog.defaultSeconds }
    guard let seconds = Double(text), seconds >= 0, seconds.isFinite else {
      throw CommandError("KINDRED_WATCHDOG is \(text); seconds, from 0 (no watchdog), are needed")
    }
    return seconds == 0 ? nil : seconds
  }
}

extension StageClock {
  /// Starts the watchdog of a run into the folder `output`, unless `seconds` is nil. Collective.
  func watch(_ output: String, seconds: Double?, on comm: Communicator) throws {
    guard let seconds else { return }
    watchdog = try Watchdog(output: output, seconds: seconds, on: comm) { lines in
      writeToStandardError(lines.map { "kindred: \($0)\n" }.joined())
    }
  }
}
