import ArgumentParser
import ClassAveraging
import MPI
import ParticleIO
import Report

/// Options that `average` and `denoise` share.
struct ModelArguments: ParsableArguments {
  @Option(help: "At most so many defocus groups; particles with more distinct CTFs are binned.")
  var defocusGroups = 20

  @Option(
    help: "Variance of the noise of a pixel; default: from the pixels outside the particle radius.")
  var noiseVariance: Double?

  @Option(help: "Particle radius in A; default: the smallest that holds the signal.")
  var radius: Double?

  @Option(help: "Band limit as a resolution in A; default: the coarsest that holds the signal.")
  var bandLimit: Double?

  @Option(help: "Share of the signal that the radius and the band limit chosen from the data hold.")
  var signalShare = 0.99

  @Flag(name: .customLong("no-ctf"), help: "The images have no CTF to correct.")
  var noCTF = false

  @Flag(help: "A particle with NaN, infinite or constant pixels is an error, not left out.")
  var strict = false

  @Option(help: "Threads of each rank.")
  var threads = 1

  var ctf: CTFSource { noCTF ? .ignored : .required }

  /// The options in force for images of this pixel size.
  func options(pixelSize: Double) throws -> ModelOptions {
    var options = ModelOptions()
    guard defocusGroups >= 1 else {
      throw OptionError("--defocus-groups is \(defocusGroups); at least 1 is needed")
    }
    guard threads >= 1 else { throw OptionError("--threads is \(threads); at least 1 is needed") }
    if let noiseVariance, !(noiseVariance > 0) {
      throw OptionError("--noise-variance is \(noiseVariance); it must be positive")
    }
    if let bandLimit, bandLimit < 2 * pixelSize {
      throw OptionError(
        "--band-limit is \(bandLimit) A, finer than two pixels of \(pixelSize) A")
    }
    guard signalShare > 0 && signalShare <= 1 else {
      throw OptionError("--signal-share is \(signalShare); it must be above 0, at most 1")
    }
    options.defocusGroups = defocusGroups
    options.noiseVariance = noiseVariance
    options.radius = radius.map { $0 / pixelSize }
    options.bandLimit = bandLimit.map { pixelSize / $0 }
    options.signalShare = signalShare
    options.isStrict = strict
    options.threads = threads
    return options
  }

  /// For the run record.
  var record: [String: JSONValue] {
    [
      "defocus_groups": .integer(defocusGroups), "noise_variance": JSONValue(noiseVariance),
      "radius": JSONValue(radius), "band_limit": JSONValue(bandLimit),
      "signal_share": .number(signalShare), "no_ctf": .bool(noCTF), "strict": .bool(strict),
      "threads": .integer(threads),
    ]
  }
}

extension RunRecord {
  /// Enters what the model fit found.
  mutating func enter(_ model: FittedModel) {
    noiseVariance = model.survey.noiseVariance
    bandLimit = model.survey.bandLimit
    radius = model.survey.radius
    imagesUsed = model.partition.total
    imagesLeftOut = model.survey.leftOut.map {
      LeftOut(particle: $0.particle + 1, reason: $0.defect.description)
    }
    var ranks = [Int](
      repeating: 0, count: (model.posterior.layout.frequencies.last ?? -1) + 1)
    for (block, k) in model.posterior.layout.frequencies.enumerated() {
      ranks[k] = model.posterior.layout.components(ofBlock: block).count
    }
    covarianceRanks = ranks
  }
}
