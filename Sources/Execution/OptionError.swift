/// What a run's options may not be; the command line shows it as it is.
public struct OptionError: Error, CustomStringConvertible, Sendable {
  /// What is wrong, as the user is told.
  public let description: String

  /// An error that says `description`.
  public init(_ description: String) { self.description = description }
}
