import { GantryError } from "#base/errors.ts";
import { systemRandom, type Random } from "#base/random.ts";

/** moby, daemon/names: what a container, network or volume may be called. */
const NAME_PATTERN = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Throws `invalid`, in Docker's words, for a name that a container cannot have. */
export function checkContainerName(name: string): void {
  if (NAME_PATTERN.test(name)) return;
  throw new GantryError("invalid", `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`, {
    name,
  });
}

/** `conflict` for a name in use, in Docker's words: clients match on them. */
export function nameInUse(name: string, holder: string): GantryError {
  return new GantryError(
    "conflict",
    `Conflict. The container name "/${name}" is already in use by container "${holder}". ` +
      "You have to remove (or rename) that container to be able to reuse that name.",
    { name, holder },
  );
}

/** A free name of the form adjective_surname; with a digit after a few collisions, and from the id at last. */
export function generateName(id: string, taken: (name: string) => boolean, random: Random = systemRandom): string {
  const pick = (words: readonly string[]): string => words[Math.floor(random.next() * words.length)] ?? "";
  for (let attempt = 0; attempt < 6; attempt++) {
    const digit = attempt === 0 ? "" : String(Math.floor(random.next() * 10));
    const name = `${pick(ADJECTIVES)}_${pick(SURNAMES)}${digit}`;
    if (!taken(name)) return name;
  }
  return id.slice(0, 12);
}

const ADJECTIVES = (
  "able agile airy amber ample apt ardent balmy blithe bold brave breezy bright brisk calm candid careful cheerful " +
  "civil clear clever cosy crisp curious daring deft earnest easy exact fair famous fancy fearless fine fleet fond " +
  "frank fresh gentle genial glad golden graceful grand handy happy hardy hearty helpful honest humble jolly jovial " +
  "keen kind lively loyal lucid lucky mellow merry mild modest neat nimble noble patient placid polite prompt proud " +
  "quick quiet rapid ready robust rosy serene sharp silver sleek smooth snug sober solid sound spry stable steady " +
  "stoic sunny sure swift tender tidy tranquil true trusty upbeat valiant vivid warm wise witty worthy zesty"
).split(" ");

/** People of science, engineering and mathematics. */
const SURNAMES = (
  "abel ampere apgar archimedes avicenna babbage banach bardeen bell bernoulli bessel bohr boltzmann boole bose brahe " +
  "cantor carnot cauchy celsius chandrasekhar clarke copernicus coulomb curie dalton darwin descartes dirac doppler " +
  "edison einstein erdos euclid euler faraday fermat fermi feynman fleming fourier franklin galileo galois gauss " +
  "germain goodall gutenberg halley hamilton hawking heisenberg henry herschel hertz hilbert hooke hopper hubble " +
  "huygens hypatia jacobi joule kepler khwarizmi kovalevskaya lagrange laplace lavoisier leibniz linnaeus lorentz " +
  "lovelace maxwell meitner mendel mendeleev napier newton nightingale noether ohm pascal pasteur pauli planck " +
  "poincare ptolemy raman ramanujan riemann ritchie rubin rutherford sagan shannon somerville tesla thompson " +
  "turing volta watt weber wiener wu yalow"
).split(" ");
