import ArgumentParser
import Foundation
import MPI
import Report
import Simulation

struct SimulateCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "simulate",
    abstract: "Simulate particle images of a map, with known orientations.",
    discussion: """
      Writes particles.mrcs and particles.star (CTF and noise), clean.mrcs (neither) and truth.star \
      (orientations and defocus groups). The images are projections at uniformly random \
      orientations, centred at pixel L/2, with noise of variance 1; they do not depend on the number \
      of ranks. The defaults are the experiment of Bhamre, Zhao and Singer (arXiv 1611.03193).
      """)

  @Option(help: "Folder to write to; made where it is missing.")
  var output: String

  @Option(help: "Cubic map (MRC) to project, centred at voxel L/2; default: a built-in phantom.")
  var map: String?

  @Option(help: "Number of images.")
  var images = SimulationParameters().images

  @Option(help: "Edge of the images in pixels; default: 65, or the map's.")
  var box: Int?

  @Option(help: "Pixel size in A; default: 2.82, or the map's where its header has one.")
  var pixelSize: Double?

  @Option(help: "Variance of the CTF-filtered clean pixels over that of the noise.")
  var snr = Ratio(numerator: 1, denominator: 40)

  @Option(help: "Number of defocus groups; image i is in group i mod this.")
  var defocusGroups = SimulationParameters().defocusGroups

  @Option(
    parsing: .upToNextOption,
    help: "Defocus of the first and of the last group in um, positive is underfocus; default: 1 4.")
  var defocus: [Double] = []

  @Option(help: "Acceleration voltage in kV.")
  var voltage = SimulationParameters().voltage

  @Option(help: "Spherical aberration in mm.")
  var cs = SimulationParameters().sphericalAberration

  @Option(help: "Amplitude contrast; default: sin(0.07).")
  var amplitudeContrast: Double?

  @Option(help: "B in A^2 of the envelope exp(-B k^2), a quarter of RELION's B factor.")
  var envelope = SimulationParameters().envelope

  @Option(help: "Seed of all random numbers.")
  var seed = SimulationParameters().seed

  @Flag(help: "Replace a simulation that is in the output folder.")
  var overwrite = false

  func run() throws { Universe.run(ErrorText.speaker, run(on:)) }

  /// The simulation itself. Collective.
  func run(on comm: Communicator) throws {
    // Inside MPI, so that one rank reports a mistake for all.
    var parameters = try comm.agree(parameters)
    let density = try comm.agree(density)
    if pixelSize == nil, let size = (density as? MRCDensityMap)?.pixelSize {
      parameters.pixelSize = size
    }
    let clock = StageClock(comm)
    let summary = try Simulation.run(
      parameters, map: density, folder: SimulationFolder(path: output), overwrite: overwrite,
      on: comm, observer: clock)
    let table = try clock.finish(comm)
    if comm.isRoot {
      print(table.text, terminator: "")
      print(
        "\(images) images of \(summary.boxSize) x \(summary.boxSize) pixels,",
        "\(parameters.pixelSize) A a pixel, SNR \(snr), in \(output)")
    }
  }

  private func parameters() throws -> SimulationParameters {
    guard defocus.isEmpty || defocus.count == 2 else {
      throw ValidationError(
        "--defocus takes the first and the last group's defocus in um; \(defocus.count) given")
    }
    var parameters = SimulationParameters()
    parameters.images = images
    parameters.signalToNoiseRatio = snr.value
    parameters.defocusGroups = defocusGroups
    if let pixelSize { parameters.pixelSize = pixelSize }
    if defocus.count == 2 {
      parameters.firstDefocus = defocus[0] * 1e4
      parameters.lastDefocus = defocus[1] * 1e4
    }
    parameters.voltage = voltage
    parameters.sphericalAberration = cs
    if let amplitudeContrast { parameters.amplitudeContrast = amplitudeContrast }
    parameters.envelope = envelope
    parameters.seed = seed
    // Before a map is read.
    try parameters.validate()
    return parameters
  }

  private func density() throws -> any DensityMap {
    guard let map else { return GaussianPhantom.ribosomeLike(boxSize: box ?? 65) }
    let density = try MRCDensityMap(path: map)
    if let box, box != density.boxSize {
      throw ValidationError("--box \(box): the map \(map) has an edge of \(density.boxSize) voxels")
    }
    return density
  }
}

/// A number that may be given as a fraction, such as 1/40.
struct Ratio: ExpressibleByArgument, CustomStringConvertible {
  let numerator: Double
  let denominator: Double

  var value: Double { numerator / denominator }
  var description: String {
    func text(_ number: Double) -> String { String(format: "%g", number) }
    return denominator == 1 ? text(numerator) : "\(text(numerator))/\(text(denominator))"
  }

  init(numerator: Double, denominator: Double) {
    self.numerator = numerator
    self.denominator = denominator
  }

  init?(argument: String) {
    let parts = argument.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count <= 2, let numerator = Double(parts[0]),
      let denominator = parts.count == 2 ? Double(parts[1]) : 1, denominator != 0
    else { return nil }
    self.init(numerator: numerator, denominator: denominator)
  }
}
