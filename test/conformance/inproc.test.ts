import { transportContract } from 'tendon/testing';
import { inprocTransport } from 'tendon/transport/inproc';

let names = 0;

transportContract('inproc:', {
  transport: inprocTransport,
  freshEndpoint: () => `inproc:conformance-${names++}`,
  sharedContext: true,
  capabilities: {
    ordered: true,
    reliable: true,
    zeroCopy: true,
    local: true,
    encrypted: false,
    descriptorPassing: false,
  },
  active: 'inproc',
});
