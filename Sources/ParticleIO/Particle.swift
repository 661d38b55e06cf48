/// One group of `data_optics`: particles that share microscope settings and pixel size.
public struct OpticsGroup: Sendable, Codable, Hashable {
  /// The number in the file (rlnOpticsGroup).
  public var number: Int
  /// The group's name (rlnOpticsGroupName).
  public var name: String
  /// Acceleration voltage in kV.
  public var voltage: Double
  /// Spherical aberration in mm.
  public var sphericalAberration: Double
  /// Amplitude contrast, 0 to 1.
  public var amplitudeContrast: Double
  /// Pixel size of the particle images in A.
  public var pixelSize: Double
  /// Box size in pixels, where the file says it.
  public var imageSize: Int?
  /// Whether the images were multiplied by their CTF already (rlnCtfDataAreCtfPremultiplied).
  public var isCTFPremultiplied: Bool
  /// Whether the images' phases were flipped already (rlnCtfDataArePhaseFlipped).
  public var isPhaseFlipped: Bool

  /// A group with these settings.
  public init(
    number: Int, name: String, voltage: Double, sphericalAberration: Double,
    amplitudeContrast: Double, pixelSize: Double, imageSize: Int? = nil,
    isCTFPremultiplied: Bool = false, isPhaseFlipped: Bool = false
  ) {
    self.number = number
    self.name = name
    self.voltage = voltage
    self.sphericalAberration = sphericalAberration
    self.amplitudeContrast = amplitudeContrast
    self.pixelSize = pixelSize
    self.imageSize = imageSize
    self.isCTFPremultiplied = isCTFPremultiplied
    self.isPhaseFlipped = isPhaseFlipped
  }
}

/// One particle image: where its pixels are and what its CTF is.
public struct Particle: BitwiseCopyable, Sendable, Hashable {
  /// Index into `ParticleSet.stacks`.
  public var stack: Int32
  /// The section of that stack, 0-based.
  public var section: Int32
  /// Index into `ParticleSet.opticsGroups`.
  public var opticsGroup: Int32
  /// The particle's line in the STAR file, counted from 1.
  public var line: Int32
  /// The particle's own CTF; `CTFParameters.identity` when the CTF is ignored.
  public var ctf: CTFParameters
  /// How far the particle's centre lies from pixel size / 2 of the image, along columns (x) and rows (y), in pixels: as
  /// far as the STAR file says (the negative of RELION's origin), or as it was found.
  public var displacement: SIMD2<Float>

  /// A particle at this place, with this CTF.
  public init(
    stack: Int32, section: Int32, opticsGroup: Int32, line: Int32, ctf: CTFParameters,
    displacement: SIMD2<Float> = .zero
  ) {
    self.stack = stack
    self.section = section
    self.opticsGroup = opticsGroup
    self.line = line
    self.ctf = ctf
    self.displacement = displacement
  }
}

/// Whether the particles' CTF is read from the STAR file.
public enum CTFSource: Sendable {
  /// Every column that the CTF needs must be there.
  case required
  /// The user says that the images have no CTF to correct.
  case ignored
}
