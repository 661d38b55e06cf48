import ArgumentParser

@main
struct Kindred: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kindred",
    abstract: "Class averages of cryo-EM particle images by the Mahalanobis affinity, over MPI.",
    subcommands: [AverageCommand.self, DenoiseCommand.self, SimulateCommand.self, Evaluate.self])
}
