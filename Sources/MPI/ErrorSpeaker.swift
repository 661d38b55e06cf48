import Foundation

/// How a program tells of the errors that end it. The library has no words of its own: without others, it says what
/// Swift makes of an error.
public struct ErrorSpeaker: Sendable {
  /// The name that each message begins with.
  public let name: String
  /// The words for an error.
  public let describe: @Sendable (any Error) -> String
  /// The exit status that an error gives; asked for `ReportedError` too, on ranks that do not know more.
  public let status: @Sendable (any Error) -> Int32

  /// A program's way.
  public init(
    name: String = ProcessInfo.processInfo.processName,
    describe: @escaping @Sendable (any Error) -> String = { "\($0)" },
    status: @escaping @Sendable (any Error) -> Int32 = { _ in 1 }
  ) {
    (self.name, self.describe, self.status) = (name, describe, status)
  }

  /// Writes a line on standard error.
  /// - Parameters:
  ///   - error: what ends the program.
  ///   - place: the rank that it happened to, where only one knows.
  public func tell(_ error: any Error, at place: String? = nil) {
    writeToStandardError(
      "\(name): error: \(describe(error))\(place.map { " (\($0))" } ?? "")\n")
  }
}
