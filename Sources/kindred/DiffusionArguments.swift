import ArgumentParser
import ClassAveraging

/// Options of `--search vdm`.
struct DiffusionArguments: RecordedArguments {
  /// Records have always had them so.
  static let recordSeparator = "-"

  @Option(
    help: "The search whose neighbours, ranked by --affinity, make the graph: rir, all-pairs.")
  var vdmGraph = VectorDiffusionMap.Options().graph

  @Option(help: "Neighbours of each image that share an edge of the graph with it.")
  var vdmNeighbours = VectorDiffusionMap.Options().neighbours

  @Option(help: "Eigenvectors of the graph's connection matrix.")
  var vdmEigenvectors = VectorDiffusionMap.Options().eigenvectors

  @Option(help: "Angular frequencies 1, 2, ... of the connections; 1 alone is the classical map.")
  var vdmFrequencies = VectorDiffusionMap.Options().frequencies

  @Option(help: "Diffusion time t: eigenvectors count by the eigenvalue to the power t.")
  var vdmTime = VectorDiffusionMap.Options().time

  var options: VectorDiffusionMap.Options {
    var options = VectorDiffusionMap.Options()
    options.graph = vdmGraph
    options.neighbours = vdmNeighbours
    options.eigenvectors = vdmEigenvectors
    options.frequencies = vdmFrequencies
    options.time = vdmTime
    return options
  }
}

extension VectorDiffusionMap.Graph: ExpressibleByArgument {}
