/// What a run's options may not be; the command line shows it as it is.
public struct OptionError: Error, CustomStringConvertible, Sendable {
  public let description: String
  public init(_ description: String) { self.description = description }
}
