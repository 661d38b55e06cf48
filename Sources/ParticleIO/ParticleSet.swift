import MPI

/// The particles of a STAR file, with everything but their pixels.
public struct ParticleSet: Sendable {
  /// The STAR file's path as given.
  public let starFile: String
  /// The stacks' paths, found relative to the STAR file's folder or to the current one.
  public let stacks: [String]
  /// The optics groups that particles refer to.
  public let opticsGroups: [OpticsGroup]
  /// The particles in the STAR file's order.
  public let particles: [Particle]
  /// Whether the particles carry their CTF; false when it was ignored.
  public let hasCTF: Bool
  /// Side of the square images in pixels.
  public let boxSize: Int
  /// Pixel size in A; 1 when the STAR file does not say (`isPixelSizeKnown`).
  public let pixelSize: Double
  /// Whether the STAR file gives a pixel size. It may lack one only when the CTF is ignored.
  public let isPixelSizeKnown: Bool
  /// What the stacks were when their images were first read.
  private(set) var versions = StackVersions()

  /// A set given by its parts.
  public init(
    starFile: String, stacks: [String], opticsGroups: [OpticsGroup], particles: [Particle],
    hasCTF: Bool, boxSize: Int, pixelSize: Double, isPixelSizeKnown: Bool = true
  ) {
    self.starFile = starFile
    self.stacks = stacks
    self.opticsGroups = opticsGroups
    self.particles = particles
    self.hasCTF = hasCTF
    self.boxSize = boxSize
    self.pixelSize = pixelSize
    self.isPixelSizeKnown = isPixelSizeKnown
  }

  /// Reads and checks a STAR file and the header and length of every stack that it names.
  ///
  /// RELION 3.1 and later (`data_optics` and a particle table) and before (one table, microscope
  /// settings per particle). Throws `InputError` for whatever is missing or contradictory.
  public static func read(starFile: String, ctf: CTFSource) throws -> ParticleSet {
    let star = try STARFile.read(path: starFile)
    var table = try ParticleTable(star)
    try table.read(ctf: ctf)
    return try StackCatalog.check(table, hasCTF: ctf == .required)
  }

  /// The same on every rank: rank 0 reads, the others get the result from it. Collective; an error
  /// is printed once and thrown on all ranks as `ReportedError`.
  public static func read(starFile: String, ctf: CTFSource, on comm: Communicator) throws
    -> ParticleSet
  {
    let set = try comm.agree {
      comm.isRoot ? try read(starFile: starFile, ctf: ctf) : nil
    }
    return try broadcast(set, on: comm)
  }

  /// Reads the images of consecutive particles, row-major, `range.count * boxSize^2` values;
  /// repeated reading is cheaper through one `ParticleReader`.
  public func readImages(_ range: Range<Int>, into pixels: UnsafeMutableBufferPointer<Float>) throws
  {
    try ParticleReader(self).read(range, into: pixels)
  }

  /// The set with only the particles at `indices`, in that order.
  public func selecting(_ indices: [Int]) -> ParticleSet { holding(indices.map { particles[$0] }) }

  /// The set with its particles displaced from their images' centres by so much (pixels), in the order of `particles`.
  public func displaced(by displacements: [SIMD2<Float>]) -> ParticleSet {
    precondition(displacements.count == particles.count, "a displacement for each particle")
    return holding(
      zip(particles, displacements).map { particle, displacement in
        var moved = particle
        moved.displacement = displacement
        return moved
      })
  }

  /// The set with other particles of its stacks.
  private func holding(_ particles: [Particle]) -> ParticleSet {
    var part = ParticleSet(
      starFile: starFile, stacks: stacks, opticsGroups: opticsGroups, particles: particles,
      hasCTF: hasCTF, boxSize: boxSize, pixelSize: pixelSize, isPixelSizeKnown: isPixelSizeKnown)
    part.versions = versions
    return part
  }

  /// An error about one particle, naming its line, its image and what is the matter.
  public func error(particle: Int, _ message: String) -> InputError {
    let entry = particles[particle]
    return InputError(
      file: starFile, line: Int(entry.line), particle: particle,
      "image \(entry.section + 1) of \(stacks[Int(entry.stack)]) \(message)")
  }
}
