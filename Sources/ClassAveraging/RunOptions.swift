import ParticleIO

/// What a run's options may not be; the command line shows it as it is.
public struct OptionError: Error, CustomStringConvertible, Sendable {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// How the clean images are modelled: options that `average` and `denoise` share.
public struct ModelOptions: Sendable {
  /// At most so many defocus groups; more distinct CTFs are binned.
  public var defocusGroups = 20
  /// sigma^2 of the white noise; estimated from the pixels outside the particle radius if nil.
  public var noiseVariance: Double?
  /// Radius of support in pixels; chosen from the data if nil.
  public var radius: Double?
  /// Band limit in cycles per pixel, at most 1/2; chosen from the data if nil.
  public var bandLimit: Double?
  /// Share of the signal that the radius and the band limit chosen from the data hold (method E.2).
  public var signalShare = 0.99
  public var shrinkage = Shrinkage.frobenius
  /// Whether a bad particle is an error instead of being left out.
  public var isStrict = false
  public var threads = 1

  public init() {}
}

/// How suspects are found.
public enum SuspectSearch: String, Sendable, CaseIterable {
  /// Nearest neighbours of rotationally invariant features: bispectrum and PCA (method E.7).
  case rir
  /// Every pair of images, scored exactly by the affinity.
  case allPairs = "all-pairs"
  /// Nearest neighbours in the vector diffusion map of the graph that another search has found (E.7).
  case vdm
}

/// Options of `average`.
public struct AverageOptions: Sendable {
  public var model = ModelOptions()
  /// K, neighbours of each image.
  public var neighbours = 10
  /// S, suspects of each image that are ranked by the affinity.
  public var suspects = 50
  public var search = SuspectSearch.rir
  /// How suspects are ranked; nil keeps the search's own order.
  public var affinity: Affinity? = .mahalanobis
  /// How many averages are written, from the first image on; all if nil.
  public var averages: Int?
  public var seed: UInt64 = 1
  public var bispectrum = Bispectrum.Options()
  public var features = InvariantFeatures.Options()
  public var vdm = VectorDiffusionMap.Options()

  public init() {}

  /// The search whose table is the result, or the graph of the vector diffusion map.
  var firstSearch: SuspectSearch { search == .vdm ? vdm.graph.search : search }

  /// How many neighbours of each image that search lists.
  var firstNeighbours: Int { search == .vdm ? vdm.neighbours : neighbours }

  /// - Parameter images: how many images there are to choose from.
  /// - Throws: `OptionError` where the numbers do not fit together.
  public func validate(images: Int, ranks: Int) throws {
    if images < ranks {
      throw OptionError(
        "\(ranks) ranks for \(images) images: start at most one rank for each image")
    }
    if neighbours < 1 { throw OptionError("--neighbours is \(neighbours); at least 1 is needed") }
    if neighbours >= images {
      throw OptionError(
        "--neighbours is \(neighbours), but each of \(images) images has only \(images - 1) others")
    }
    if suspects < neighbours {
      throw OptionError(
        "--suspects is \(suspects), fewer than the \(neighbours) neighbours to choose from them")
    }
    if search == .vdm { try vdm.validate(images: images, neighbours: neighbours) }
    if let averages, averages < 0 { throw OptionError("--averages is \(averages)") }
  }
}
