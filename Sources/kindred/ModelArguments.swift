import ArgumentParser
import ImageModel
import ParticleIO

/// Options that `average` and `denoise` share.
struct ModelArguments: RecordedArguments {
  @Option(help: "At most so many defocus groups; particles with more distinct CTFs are binned.")
  var defocusGroups = ModelOptions().defocusGroups

  @Option(
    help: "Variance of the noise of a pixel; default: from the pixels outside the particle radius.")
  var noiseVariance: Double?

  @Option(
    help: """
      What the noise is taken for: radial (its power depends on the spatial frequency, as measured outside \
      the particles) or white (the same at all frequencies).
      """)
  var noise = ModelOptions().noise

  @Option(help: "Particle radius in A; default: where the signal of single images ends.")
  var radius: Double?

  @Option(help: "Band limit as a resolution in A; default: where averages cease to have signal.")
  var bandLimit: Double?

  @Flag(name: .customLong("no-ctf"), help: "The images have no CTF to correct.")
  var noCTF = false

  @Flag(help: "Averages of dark particles are dark, not white.")
  var keepContrast = false

  @Flag(
    help: """
      A particle that would be left out (NaN, infinite or constant pixels, or many that are far brighter or darker than \
      noise) is an error.
      """)
  var strict = false

  @Option(help: "Threads of each rank.")
  var threads = ModelOptions().threads

  var ctf: CTFSource { noCTF ? .ignored : .required }

  /// The options, but for the lengths: these need a pixel size.
  var options: ModelOptions {
    var options = ModelOptions()
    options.defocusGroups = defocusGroups
    options.noiseVariance = noiseVariance
    options.noise = noise
    options.keepsContrast = keepContrast
    options.isStrict = strict
    options.threads = threads
    return options
  }

  /// The options in force for the images of `set`.
  /// - Throws: `OptionError` for a number out of range; `CommandError` for a length, in the unit in which it was given.
  func options(for set: ParticleSet) throws -> ModelOptions {
    var options = self.options
    try options.validate()
    let pixelSize = set.pixelSize
    // Written so that NaN fails as well.
    let largest = Double(set.boxSize) / 2 * pixelSize
    if let radius, !(radius >= 2 * pixelSize && radius <= largest) {
      throw CommandError(
        "--radius is \(radius) A; from two pixels (\(2 * pixelSize) A) to half the box "
          + "(\(largest) A) is needed")
    }
    if let bandLimit, !(bandLimit >= 2 * pixelSize && bandLimit.isFinite) {
      throw CommandError(
        "--band-limit is \(bandLimit) A; at least two pixels of \(pixelSize) A are needed")
    }
    options.radius = radius.map { $0 / pixelSize }
    options.bandLimit = bandLimit.map { pixelSize / $0 }
    return options
  }
}

extension NoiseChoice: ExpressibleByArgument {}
