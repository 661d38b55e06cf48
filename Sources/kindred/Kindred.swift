import ArgumentParser
import MPI

@main
struct Kindred: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kindred",
    abstract: "Class averages of cryo-EM particle images by the Mahalanobis affinity, over MPI.",
    subcommands: [
      AverageCommand.self, DenoiseCommand.self, SimulateCommand.self, Evaluate.self,
      BenchmarkCommand.self, PlanCommand.self, ScaleCommand.self,
    ])

  static func main() {
    BLASKernels.restartIfOutdated()
    do {
      var command = try parseAsRoot()
      try command.run()
    } catch  where exitCode(for: error).isSuccess {
      exit(withError: error)  // --help
    } catch {
      // All ranks have the same arguments and fail alike: one of them says so.
      Universe.run(ErrorText.speaker) { comm in
        try comm.agree { throw UsageError(text: fullMessage(for: error)) }
      }
    }
  }
}

/// A command line that is not understood: what is wrong, and how to use the command.
struct UsageError: Error, CustomStringConvertible {
  let text: String
  var description: String {
    text.hasPrefix("Error: ") ? String(text.dropFirst("Error: ".count)) : text
  }
}
